"""Tables for documents: GitHub markdown, HTML and LaTeX, each with its own escaping."""

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape

from mmbench.leaderboard.sheet import Cell, Sheet

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color-scheme:light dark}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "caption{text-align:left;font-weight:600;padding:.5rem 0}"
    "th,td{padding:.3rem .8rem;border-bottom:1px solid #8884;text-align:left}"
    ".n{text-align:right;white-space:nowrap}.i{opacity:.6}"
)
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "–": "--",
    "★": r"$\star$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def markdown(sheets: Sequence[Sheet]) -> str:
    """Write pipe tables under a heading each."""
    return "\n".join(_markdown(sheet) for sheet in sheets)


def html(sheets: Sequence[Sheet], page: str) -> str:
    """Write a complete page; `page` is its title."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(page)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n" + "".join(map(_html, sheets)) + "</body>\n</html>\n"
    )


def latex(sheets: Sequence[Sheet]) -> str:
    """Write a `table` environment each; needs the booktabs package."""
    return "% needs \\usepackage{booktabs}\n" + "\n".join(_latex(sheet) for sheet in sheets)


def escape_markdown(text: str) -> str:
    """Escape what GitHub markdown would read as markup; underscores inside words are plain text to it."""
    text = re.sub(r"([\\`*|<>&~\[\]])", r"\\\1", text)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)


def escape_latex(text: str) -> str:
    """Escape LaTeX's special characters."""
    return "".join(_LATEX.get(character, character) for character in text)


def _cell(cell: Cell, escape_: Callable[[str], str], bold: str, raised: str) -> str:
    text = escape_(cell.text)
    text = bold.format(text) if cell.best else text
    text += raised.format(escape_(cell.mark)) if cell.mark else ""
    return f"{text} {cell.interval}".rstrip()


def _markdown(sheet: Sheet) -> str:
    shown = sheet.columns
    lines = [
        f"### {escape_markdown(sheet.title)}",
        "",
        _pipes(escape_markdown(column.header) for column in shown),
        _pipes("---:" if column.numeric else ":---" for column in shown),
        *(
            _pipes(_cell(column.cells[i], escape_markdown, "**{}**", "{}") for column in shown)
            for i in range(sheet.rows)
        ),
        "",
        *(escape_markdown(note) for note in sheet.told()),
    ]
    return "\n".join(lines) + "\n"


def _pipes(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _html(sheet: Sheet) -> str:
    shown = sheet.columns
    kinds = [' class="n"' if column.numeric else "" for column in shown]
    head = "".join(f"<th{kind}>{escape(column.header)}</th>" for column, kind in zip(shown, kinds, strict=True))
    lines = [f"<table>\n<caption>{escape(sheet.title)}</caption>", f"<thead><tr>{head}</tr></thead>", "<tbody>"]
    for i in range(sheet.rows):
        cells = (f"<td{kind}>{_html_cell(c.cells[i])}</td>" for c, kind in zip(shown, kinds, strict=True))
        lines.append(f"<tr>{''.join(cells)}</tr>")
    lines += ["</tbody>\n</table>", *(f"<p>{escape(note)}</p>" for note in sheet.told())]
    return "\n".join(lines) + "\n"


def _html_cell(cell: Cell) -> str:
    text = f"<strong>{escape(cell.text)}</strong>" if cell.best else escape(cell.text)
    text += f"<sup>{escape(cell.mark)}</sup>" if cell.mark else ""
    return f'{text} <span class="i">{escape(cell.interval)}</span>' if cell.interval else text


def _latex(sheet: Sheet) -> str:
    shown = sheet.columns
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape_latex(sheet.title)}.}}",
        rf"\begin{{tabular}}{{{''.join('r' if column.numeric else 'l' for column in shown)}}}",
        r"\toprule",
        _ampersands(escape_latex(column.header) for column in shown),
        r"\midrule",
        *(
            _ampersands(
                _cell(column.cells[i], escape_latex, r"\textbf{{{}}}", r"\textsuperscript{{{}}}") for column in shown
            )
            for i in range(sheet.rows)
        ),
        r"\bottomrule",
        r"\end{tabular}",
        # Of a caption LaTeX makes a list of tables too, which is no place for notes.
        *(rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {escape_latex(note)}}}" for note in sheet.told()),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _ampersands(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} \\\\"
