import pytest

from slotkd.datasets.shard_lists import expand_ranges, list_shards


@pytest.mark.parametrize(
    ('pattern', 'names'),
    [
        ('a.tar', ['a.tar']),
        ('a-{008..010}.tar', ['a-008.tar', 'a-009.tar', 'a-010.tar']),
        ('a-{8..10}.tar', ['a-8.tar', 'a-9.tar', 'a-10.tar']),
        ('{0..1}/{00..01}', ['0/00', '0/01', '1/00', '1/01']),
        ('{3..3}', ['3']),
    ],
)
def test_ranges(pattern, names):
    assert list(expand_ranges(pattern)) == names


def test_published_list_is_complete():
    names = list(expand_ranges('movi_c-train-{000000..000304}.tar'))
    assert len(names) == 305
    assert names[0] == 'movi_c-train-000000.tar'
    assert names[-1] == 'movi_c-train-000304.tar'


def test_backward_range_is_an_error():
    with pytest.raises(ValueError, match=r'\{3..1\} of a-\{3..1\} runs back'):
        list(expand_ranges('a-{3..1}'))


def test_wild_cards_in_counting_order_and_nothing_twice(tmp_path):
    for name in ('a-10.tar', 'a-9.tar', 'b/a-1.tar', 'ä-1.tar'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / 'a-11.tar').mkdir()
    assert list_shards(tmp_path, ['a-*.tar']) == ['a-9.tar', 'a-10.tar']
    assert list_shards(tmp_path, ['*/*.tar']) == ['b/a-1.tar']
    assert list_shards(tmp_path, ['a-{9..11}.tar', 'a-*.tar', 'ä-?.tar']) == [
        'a-9.tar',
        'a-10.tar',
        'a-11.tar',
        'ä-1.tar',
    ]


def test_nothing_there_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='no shard in .* matches x-'):
        list_shards(tmp_path, ['x-*.tar'])
    with pytest.raises(ValueError, match='folder of shards .*none not found'):
        list_shards(tmp_path / 'none', ['x.tar'])
