import json

import pytest

from slotkd.apis.model_facts import (
    compare_facts,
    model_facts,
    read_facts,
    unused_facts,
)
from slotkd.models.video.slotcontrast_weights import ModelFacts

CONFIG = dict(
    initializer=dict(num_slots=5),
    decoder=dict(hidden_dims=(64, 48)),
    corrector=dict(use_gru=True),
)


def test_flat_and_nested_facts_say_the_same():
    flat = dict(
        num_heads=3,
        position_grid=8,
        input_size=[84, 70],
        predictor_heads=2,
        num_iters_first=4,
        num_iters=1,
    )
    nested = dict(
        backbone=dict(num_heads=3, position_grid=[8, 8]),
        grid=[6, 5],
        predictor=dict(heads=2),
        slot_attention=dict(iters_first_frame=4, iters_other_frames=1),
    )
    expected = ModelFacts(
        num_heads=3,
        pos_grid=(8, 8),
        grid=(6, 5),
        predictor_heads=2,
        num_iters_first=4,
        num_iters=1,
    )
    assert model_facts(flat, 14) == expected
    assert model_facts(nested, 14) == expected
    assert model_facts({}, 14) == ModelFacts()


def test_bad_facts_name_field_and_value():
    with pytest.raises(ValueError, match='num_heads must be .* got 0'):
        model_facts(dict(num_heads=0), 14)
    with pytest.raises(ValueError, match='num_iters must be .* got True'):
        model_facts(dict(num_iters=True), 14)
    with pytest.raises(ValueError, match=r'grid must be .* got \[3\]'):
        model_facts(dict(grid=[3]), 14)
    with pytest.raises(ValueError, match=r'\(5, 5\), but .*84x84 .*\(6, 6\)'):
        model_facts(dict(grid=[5, 5], input_px=84), 14)


def test_facts_are_compared_with_the_weights():
    compare_facts(dict(n_slots=5, decoder=dict(hidden=[64, 48])), CONFIG)
    with pytest.raises(ValueError, match='n_slots is 6 .* but 5'):
        compare_facts(dict(n_slots=6), CONFIG)
    with pytest.raises(ValueError, match=r'hidden is \[64\] .* but \[64, 48'):
        compare_facts(dict(decoder=dict(hidden=[64])), CONFIG)
    with pytest.raises(ValueError, match='gru is False .* but True'):
        compare_facts(dict(slot_attention=dict(gru=False)), CONFIG)


def test_what_is_not_looked_at_is_listed():
    facts = dict(num_head=3, num_heads=3, backbone=dict(patch=14, name='x'))
    assert unused_facts(facts) == ['backbone.name', 'num_head']


def test_files_that_hold_no_object_are_refused(tmp_path):
    path = tmp_path / 'facts.json'
    with pytest.raises(FileNotFoundError, match='facts.json'):
        read_facts(path)
    path.write_text('{"num_heads": ')
    with pytest.raises(ValueError, match=r'facts\.json is no JSON'):
        read_facts(path)
    path.write_text('[1]')
    with pytest.raises(ValueError, match='holds a list'):
        read_facts(path)
    path.write_text(json.dumps(dict(num_heads=3)))
    assert read_facts(path) == dict(num_heads=3)
