"""A model behind a server: batches of samples to answers, several requests at a time."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from mmbench.adapters.openai.cache import AnswerCache
from mmbench.adapters.openai.failures import NoAnswerError
from mmbench.adapters.openai.meter import Meter
from mmbench.adapters.openai.question import Question
from mmbench.adapters.openai.reply import Reply
from mmbench.adapters.openai.server import Server
from mmbench.adapters.prompt import Prompt
from mmbench.adapters.raw import RawBatch, raw_batch
from mmbench.model import Batch
from mmbench.profile.usage import Usage
from mmbench.sample import Modality

Outcome = Reply | Exception


class OpenAIModel:
    """Generates, at a distance.

    Args:
        name: what records call it.
        modalities: the inputs that are sent.
        prompt: what it is told; `None` for a service that is told nothing.
        server: answers.
        cache: of answers; `None` to ask every time.
        meter: counts.
        concurrency: requests at a time.

    Attributes:
        server_says: how the server calls itself in its answers: `model`, and `system_fingerprint` of its build. More
            than one name of a kind means that another model answered in the middle of a run.
    """

    def __init__(
        self,
        name: str,
        modalities: tuple[str, ...],
        prompt: Prompt | None,
        *,
        server: Server,
        cache: AnswerCache | None,
        meter: Meter,
        concurrency: int,
    ) -> None:
        self.name = name
        self.modalities = modalities
        self.collate = partial(raw_batch, modalities=modalities)  # loader processes get this, and no connections
        self.server_says: dict[str, list[str]] = {"model": [], "system_fingerprint": []}
        self._prompt = prompt
        self._server = server
        self._cache = cache
        self._meter = meter
        self._concurrency = concurrency

    def generate(self, batch: Batch) -> Sequence[str | Exception]:
        """One text a sample, or why there is none; where answers are kept, the same question is asked once."""
        assert isinstance(batch, RawBatch)  # noqa: S101  # what `collate` makes
        questions = [self._question(batch, position) for position in range(batch.size)]
        keys: Sequence[Hashable] = range(batch.size)
        known: dict[Hashable, Outcome] = {}
        if self._cache is not None:
            hashes = [self._server.key(question) for question in questions]
            known = {key: reply for key in {*hashes} if (reply := self._cache.load(key)) is not None}
            keys = hashes
        new = {key: question for key, question in zip(keys, questions, strict=True) if key not in known}
        known |= self._ask_all(new)
        self._listen(known.values())
        answers = [self._answer(known[key]) for key in keys]
        self._meter.batch(cached=batch.size - len(new), failed=sum(isinstance(answer, Exception) for answer in answers))
        return answers

    def usage(self) -> Usage:
        """What answering took until now."""
        return self._meter.usage()

    def _question(self, batch: RawBatch, position: int) -> Question:
        values = {modality: each[position] for modality, each in batch.values.items()}
        return Question(
            None if self._prompt is None else self._prompt.told(values.get(Modality.TEXT)),
            values.get(Modality.IMAGE),
            values.get(Modality.AUDIO),
        )

    def _ask_all(self, questions: Mapping[Hashable, Question]) -> dict[Hashable, Outcome]:
        """Ask with as many requests at a time as are allowed."""
        self._server.start()  # after a run that the user stopped, too
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="openai")
        try:
            asked = {key: pool.submit(self._ask, key, question) for key, question in questions.items()}
            outcomes = {key: future.result() for key, future in asked.items()}
        except BaseException:  # the user stops the run: what was not sent is not sent any more
            self._server.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()
        return outcomes

    def _ask(self, key: Hashable, question: Question) -> Outcome:
        try:
            reply = self._server.ask(question)
        except Exception as error:  # of a library and a server that are not ours; the other samples stand
            return error
        if self._cache is not None and reply.lasts:
            self._cache.store(str(key), reply)
        return reply

    def _listen(self, outcomes: Iterable[Outcome]) -> None:
        """Note how the server calls itself."""
        for outcome in outcomes:
            if isinstance(outcome, Reply):
                for name, said in (("model", outcome.model), ("system_fingerprint", outcome.fingerprint)):
                    if said is not None and said not in self.server_says[name]:
                        self.server_says[name] = sorted([*self.server_says[name], said])

    def _answer(self, outcome: Outcome) -> str | Exception:
        if isinstance(outcome, Exception):
            return outcome
        try:
            text = outcome.answer()
        except NoAnswerError as error:
            return error
        return text.strip() if self._prompt is None else self._prompt.read(text)
