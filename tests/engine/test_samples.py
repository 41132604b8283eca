"""The table of samples: clusters, and columns."""

import pyarrow as pa

from mmbench.engine.samples import groups
from mmbench.stats.units import cluster_codes


def test_sample_without_a_group_is_a_cluster_of_its_own():
    """Whatever the groups are called: none is invented that could be theirs."""
    found = groups(pa.table({"group": ["#1", None, "#1", None]}))
    codes = cluster_codes(found)
    assert codes[0] == codes[2]
    assert len(set(codes.tolist())) == 3


def test_no_groups_at_all():
    assert groups(pa.table({"group": pa.array([None, None], pa.string())})) is None
