"""Options of the deformable read are checked where they enter."""

import pytest

from slotkd.models.propagation import GdpmOptions


def test_defaults_are_those_of_the_specification():
    options = GdpmOptions()
    assert vars(options) == dict(
        where='long',
        stride=2,
        range_cells=4,
        groups=1,
        offset_cond='query_key',
        carry=0.0,
        pos_bias='none',
        bank='dense',
    )


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(where='longer'), "where='longer' is not one of"),
        (dict(stride=3), 'stride is 3'),
        (dict(range_cells=-1), 'got -1 and 1'),
        (dict(groups=0), 'got 4 and 0'),
        (dict(offset_cond='key'), "offset_cond='key'"),
        (dict(carry=1.5), r'carry must be in \[0, 1\], got 1.5'),
        (dict(pos_bias='sine'), "pos_bias='sine'"),
        (dict(bank='cold'), "bank='cold'"),
        (dict(bank='frozen', carry=0.5), "carry=0.5 .* bank='frozen'"),
    ],
)
def test_wrong_options(changes, message):
    with pytest.raises(ValueError, match=message):
        GdpmOptions(**changes)


@pytest.mark.parametrize('where', ['long', 'short', 'both'])
def test_what_moves(where):
    options = GdpmOptions(where=where)
    assert options.moves_long == (where != 'short')
    assert options.moves_short == (where != 'long')
    still = GdpmOptions(where=where, range_cells=0)
    assert not still.moves_long and not still.moves_short
