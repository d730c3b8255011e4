"""Distillation: the loss by hand and by a slow way, what learns, what stays, that it helps, that it can be resumed."""
import copy

import pytest
import torch
import torch.nn as nn
from mmdet_ext.dictionary.distillation import CompressionOptions, Distillation, distillation_loss, unexplained_share
from mmdet_ext.dictionary.pruning import prune
from mmdet_ext.models.layers import RetrieverDictionary
from torch import Tensor
from torch.testing import assert_close


class TwoLevels(nn.Module):
    """What distillation asks of a detector: a dictionary on the image, and one on what the first gives."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.first, self.second = (RetrieverDictionary(3, 8, **options) for _ in range(2))
        self.norm = nn.BatchNorm2d(3)

    def data_preprocessor(self, data: dict, training: bool) -> dict:
        return dict(inputs=data['inputs'])

    def extract_feat(self, x: Tensor) -> Tensor:
        return self.second(self.norm(self.first(x)))


@pytest.fixture
def batches() -> list[dict]:
    return [dict(inputs=torch.randn(2, 3, 6, 5)) for _ in range(4)]


def students_of(model: TwoLevels) -> dict[str, RetrieverDictionary]:
    return dict(first=prune(model.first, range(4)), second=prune(model.second, range(2, 7)))


def test_the_loss_by_hand():
    # two pixels: similarities 1, 0.6 and 0, 0.8, over tau = 0.5
    student = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).T.reshape(1, 2, 1, 2)
    teacher = torch.tensor([[1.0, 0.0], [0.6, 0.8]]).T.reshape(1, 2, 1, 2)
    logits = torch.tensor([[1.0, 0.6], [0.0, 0.8]]) / 0.5
    assert_close(-logits.log_softmax(dim=1).diagonal(), torch.tensor([0.371101, 0.183901]), rtol=0, atol=1e-6)
    assert_close(distillation_loss(student, teacher, 0.5, None), torch.tensor(0.277501), rtol=0, atol=1e-6)
    assert_close(distillation_loss(3 * student, teacher, 0.5), torch.tensor(0.277501), rtol=0, atol=1e-6)


def test_pixels_of_the_other_images_are_negatives_too():
    student, teacher = torch.randn(2, 3, 5, 2, 4)
    terms = []
    for i in range(3):
        for y in range(2):
            for x in range(4):
                scores = torch.stack([torch.cosine_similarity(student[i, :, y, x], teacher[j, :, v, u], dim=0) / 0.1
                                      for j in range(3) for v in range(2) for u in range(4)])
                terms.append(scores.logsumexp(0) - scores[i * 8 + y * 4 + x])
    assert_close(distillation_loss(student, teacher, pixels=None), torch.stack(terms).mean())


def test_the_same_pixels_of_both_sides_are_drawn():
    # at a low temperature a pixel that is compared with itself costs nothing, one with another does
    feat = torch.randn(2, 16, 8, 8)
    loss = distillation_loss(feat, feat, 0.01, pixels=8, generator=torch.Generator().manual_seed(0))
    assert loss < 1e-4 < distillation_loss(feat, feat.flip(3), 0.01, pixels=8)


def test_the_draw_depends_on_the_generator_alone():
    student, teacher = torch.randn(2, 2, 4, 8, 8)
    first, again, other = (distillation_loss(student, teacher, pixels=8, generator=torch.Generator().manual_seed(seed))
                           for seed in (0, 0, 1))
    assert first.equal(again) and not first.equal(other)


def test_as_many_pixels_as_there_are_is_all_of_them():
    student, teacher = torch.randn(2, 2, 4, 3, 3)
    assert distillation_loss(student, teacher, pixels=9).equal(distillation_loss(student, teacher, pixels=None))


def test_the_loss_is_in_float32_under_autocast():
    student, teacher = torch.randn(2, 2, 4, 3, 3)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = distillation_loss(student, teacher)
    assert loss.equal(distillation_loss(student, teacher))
    assert distillation_loss(student.half(), teacher.half()).dtype == torch.float32


def test_the_unexplained_share_by_hand():
    teacher = torch.tensor([[[[0.0, 2.0]], [[5.0, 9.0]]]])  # variances 1 and 4
    assert unexplained_share(teacher, teacher) == 0
    student = torch.tensor([[[[1.0, 1.0]], [[5.0, 7.0]]]])  # mean squared differences 1 and 2
    assert_close(unexplained_share(student, teacher), torch.tensor(0.75), rtol=0, atol=1e-5)


def test_lengths_are_learned_by_the_match_alone(batches):
    model = TwoLevels(norm_d=False)
    shares = []
    for match in (0.0, 10.0):
        students = {name: prune(getattr(model, name), range(8)) for name in ('first', 'second')}
        with torch.no_grad():
            students['first'].dictionary.conv.weight.mul_(3)
        options = CompressionOptions(0.5, iters=40, lr=0.01, match=match, retrieved=True)
        distillation = Distillation(model, students, options)
        for step in range(40):
            distillation.step(batches[step % 4])
        shares.append(distillation.agreement(batches)['first']['unexplained'])
    assert shares[1] < 0.2 < 2 < shares[0]


def test_student_and_teacher_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r'one shape, got \(1, 2, 2, 2\) and \(1, 2, 2, 3\)'):
        distillation_loss(torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 3))


def test_students_learn_and_nothing_else_moves(batches):
    model = TwoLevels(gate=0.5, norm_affine=True)
    students = students_of(model)
    before, begun = copy.deepcopy(model.state_dict()), copy.deepcopy(students)
    distillation = Distillation(model, students, CompressionOptions(0.5, iters=4, lr=0.01))
    for data in batches:
        distillation.step(data)
    assert all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())
    for name, student in students.items():
        for part, tensor in student.state_dict().items():
            stays = part == 'gate' or part.endswith(('running_mean', 'running_var', 'num_batches_tracked'))
            assert tensor.equal(begun[name].state_dict()[part]) == stays, part


def test_frozen_atoms_stay_and_a_ramp_is_not_counted(batches):
    model = TwoLevels(freeze_atoms=True, ramp=4)
    model.first.passes += 2
    model.second.passes += 2
    students = students_of(model)
    atoms = students['first'].atoms.clone()
    Distillation(model, students, CompressionOptions(0.5, iters=4, lr=0.01)).step(batches[0])
    assert students['first'].atoms.equal(atoms) and students['first'].passes == 2 and students['second'].passes == 2


@pytest.mark.parametrize('retrieved', [False, True])
def test_students_come_nearer_to_their_own_teachers(batches, retrieved):
    model = TwoLevels()
    students = students_of(model)
    distillation = Distillation(model, students, CompressionOptions(0.5, iters=60, lr=0.01, retrieved=retrieved))
    before = distillation.agreement(batches)
    for step in range(60):
        distillation.step(batches[step % 4])
    after = distillation.agreement(batches)
    for name in ('first', 'second'):
        assert after[name]['loss'] < before[name]['loss'] and after[name]['cosine'] > before[name]['cosine']
    assert distillation.lr == pytest.approx(0)


def test_all_atoms_agree_from_the_start(batches):
    model = TwoLevels()
    students = {name: prune(getattr(model, name), range(8)) for name in ('first', 'second')}
    agreement = Distillation(model, students, CompressionOptions(0.5, iters=1)).agreement(batches)
    assert agreement['first']['cosine'] == pytest.approx(1) and agreement['second']['cosine'] == pytest.approx(1)


def test_a_resumed_distillation_equals_an_unstopped_one(batches):
    model = TwoLevels()
    alone, first, second = (Distillation(model, students_of(model), CompressionOptions(0.5, iters=4, lr=0.01, pixels=4))
                            for _ in range(3))
    expected = [alone.step(data) for data in batches]
    losses = [first.step(data) for data in batches[:2]]
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert losses + [second.step(data) for data in batches[2:]] == expected
    for name, tensor in alone.students.state_dict().items():
        assert second.students.state_dict()[name].equal(tensor)


def test_a_dictionary_without_weight_teaches_only_what_it_retrieves(batches):
    model = TwoLevels(gate=0.0)
    with pytest.raises(ValueError, match='first, second: the weight .* is 0'):
        Distillation(model, students_of(model), CompressionOptions(0.5, iters=1))
    options = CompressionOptions(0.5, iters=1, retrieved=True)
    assert Distillation(model, students_of(model), options).step(batches[0]) > 0


def test_a_loss_that_is_not_finite_changes_nothing():
    model = TwoLevels()
    students = students_of(model)
    begun = copy.deepcopy(students['first'].state_dict())
    distillation = Distillation(model, students, CompressionOptions(0.5, iters=1))
    with pytest.raises(ValueError, match='the loss is nan in step 0'):
        distillation.step(dict(inputs=torch.full((1, 3, 4, 4), float('nan'))))
    assert all(tensor.equal(begun[name]) for name, tensor in students['first'].state_dict().items())
