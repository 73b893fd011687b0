"""Frame by frame: memory grows to its cap, references stay, time is causal."""

import pytest
import torch

from slotkd.models.propagation import MaskPropagator

GRID = (3, 4)


def propagator(num_layers=2, **options):
    torch.manual_seed(0)
    made = MaskPropagator(16, num_layers=num_layers, radius=1, **options)
    for name, weight in made.named_parameters():
        if name.endswith('offsets.proj.weight'):
            torch.nn.init.normal_(weight)
    return made.eval()


def tokens(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 12, 16, generator=generator)


def follow(made, frames, start=0):
    """Return the states after each frame."""
    _, state = made.start(tokens(start), GRID, tokens(100 + start))
    states = [state]
    for t in range(1, frames):
        frame = made.step(tokens(t), state)
        state = made.write(state, frame, tokens(100 + t))
        states.append(state)
    return states


@torch.no_grad()
@pytest.mark.parametrize(
    ('policy', 'bank', 'frames'),
    [
        ('ref_ring', 'dense', 300),
        ('ref_ring', 'frozen', 50),
        ('ref_prev', 'dense', 50),
    ],
)
def test_memory_is_constant_over_a_long_video(policy, bank, frames):
    made = propagator(
        1,
        memory=dict(policy=policy, n_mem=3, gap=5),
        gdpm=dict(bank=bank, carry=0.0 if bank == 'frozen' else 0.5),
    )
    states = follow(made, frames)

    def size(state):
        parts = [*state.long, *state.short]
        tensors = [t for part in parts for t in vars(part).values()]
        return sum(t.numel() for t in tensors if t is not None)

    cap = 4 if policy == 'ref_ring' else 1
    assert len({size(state) for state in states[20:]}) == 1
    assert all(len(state.times) <= cap for state in states)
    assert len(states[-1].times) == cap
    assert all(state.times[0] == 0 for state in states)
    if frames == 300:
        assert states[-1].times == (0, 285, 290, 295)


@torch.no_grad()
def test_frame_0_is_never_dropped():
    made = propagator(memory=dict(gap=1, n_mem=2))
    states = follow(made, 12)
    for state in states:
        for first, now in zip(states[0].long, state.long, strict=True):
            assert torch.equal(now.key[:, 0], first.key[:, 0])
            assert torch.equal(now.value[:, 0], first.value[:, 0])


@torch.no_grad()
def test_training_clips_store_more_often():
    made = propagator(memory=dict(gap=5, train_gap=2))
    assert follow(made, 5)[-1].times == (0,)
    assert follow(made.train(), 5)[-1].times == (0, 2, 4)


@torch.no_grad()
def test_the_frame_before_is_the_short_term_memory():
    made = propagator()
    states = follow(made, 4)
    layer = made.layers[0]
    frame = layer.project(tokens(3), None, GRID)
    expected = layer.remember(frame, tokens(103))
    assert torch.equal(states[-1].short[0].value, expected.value)
    assert states[-1].time == 3


@torch.no_grad()
def test_a_frame_depends_on_earlier_frames_alone():
    made = propagator()
    a, b = follow(made, 4)[2], follow(made, 5)[2]
    for one, other in zip(a.long, b.long, strict=True):
        assert torch.equal(one.value, other.value)


@torch.no_grad()
def test_the_reference_reads_itself():
    made = propagator(gdpm=dict(stride=1, range_cells=0))
    started, state = made.start(tokens(0), GRID, tokens(1), time=4)
    assert started.readings[0].attn.shape == (1, 12, 1, 12)
    assert state.times == (4,) and state.num_references == 1
    assert started.streams.shape == (1, 32, *GRID)


@torch.no_grad()
def test_a_late_reference_stays_and_displacements_begin_anew():
    made = propagator(memory=dict(gap=1, n_mem=2), gdpm=dict(carry=0.5))
    state = follow(made, 4)[-1]
    assert state.times == (0, 2, 3)
    assert state.long[0].drift.abs().sum() > 0
    _, started = made.start(tokens(4), GRID, tokens(104), time=4)
    joined = made.add_reference(state, started)
    assert joined.times == (0, 4, 2, 3) and joined.num_references == 2
    assert joined.long[0].drift is None
    assert joined.time == 4
    frame = made.step(tokens(5), joined)
    later = made.write(joined, frame, tokens(105))
    assert later.times == (0, 4, 3, 5)
    assert torch.equal(later.long[0].key[:, 1], started.long[0].key[:, 0])


@torch.no_grad()
def test_clips_of_a_batch_do_not_mix():
    made = propagator()
    both = torch.cat([tokens(0), tokens(1)])
    ids = torch.cat([tokens(2), tokens(3)])
    _, state = made.start(both, GRID, ids)
    frame = made.step(both.flip(0), state)
    _, alone = made.start(tokens(0), GRID, tokens(2))
    single = made.step(tokens(1), alone)
    torch.testing.assert_close(frame.streams[:1], single.streams)


def test_gradients_flow_through_the_memory():
    made = propagator()
    first = tokens(0).requires_grad_()
    masks = tokens(1).requires_grad_()
    _, state = made.start(first, GRID, masks)
    for t in (1, 2):
        frame = made.step(tokens(t), state)
        state = made.write(state, frame, tokens(100 + t))
    frame.streams.square().sum().backward()
    assert first.grad.abs().sum() > 0 and masks.grad.abs().sum() > 0
    for name, weight in made.named_parameters():
        assert weight.grad is not None, name


def test_offset_networks_of_a_new_propagator_are_at_zero():
    made = MaskPropagator(16, gdpm=dict(where='both', pos_bias='log_cpb'))
    (layer,) = made.layers
    assert layer.long_read.offsets.proj.weight.abs().max() == 0
    assert layer.short_read.offsets.proj.weight.abs().max() == 0
    assert layer.long_read.bias.proj.weight.abs().max() == 0
    assert layer.query_value.weight.abs().max() > 0


@pytest.mark.parametrize(
    'gdpm',
    [
        dict(offset_cond='query', stride=1),
        dict(offset_cond='query_dt', stride=4),
        dict(where='short'),
        dict(where='both', carry=0.5, groups=2),
        dict(pos_bias='log_cpb', bank='frozen'),
        dict(range_cells=0),
    ],
)
def test_every_option_propagates_and_learns(gdpm):
    made = propagator(gdpm=gdpm, memory=dict(train_gap=1)).train()
    _, state = made.start(tokens(0), GRID, tokens(1))
    for t in (1, 2, 3):
        frame = made.step(tokens(t), state)
        state = made.write(state, frame, tokens(100 + t))
    assert frame.readings[0].attn.shape[2] == 3
    frame.streams.square().sum().backward()
    for name, weight in made.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), name


def test_no_layers():
    with pytest.raises(ValueError, match='num_layers must be at least 1'):
        MaskPropagator(16, num_layers=0)
