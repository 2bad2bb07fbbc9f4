from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from slim_model import samples, slim

from retina_domains.errors import ConfigError


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope("mmdet")
    torch.manual_seed(0)


def test_levels_that_do_not_match_the_anchors_are_refused() -> None:
    cfg = slim()
    cfg.neck.start_level = 1
    cfg.neck.num_outs = 4
    with pytest.raises(ConfigError, match=r"strides \[8, 16, 32, 64\], anchors assume \[4, 8, 16, 32\]"):
        MODELS.build(cfg)


def test_caps_below_what_a_tile_may_hold_are_refused() -> None:
    cfg = slim()
    cfg.test_cfg.max_per_img = 100
    with pytest.raises(ConfigError, match="max_per_img 100 is below the 300"):
        MODELS.build(cfg)
    cfg = slim()
    cfg.test_cfg.nms_pre = 500
    with pytest.raises(ConfigError, match="expected at least 600"):
        MODELS.build(cfg)


def test_anchors_that_do_not_reach_the_declared_sizes_are_refused() -> None:
    cfg = slim()
    cfg.bbox_head.anchor_generator.object_size_range = (5, 500)
    with pytest.raises(ConfigError, match="use 6 levels"):
        MODELS.build(cfg)


def test_weights_of_another_pyramid_are_refused() -> None:
    model = MODELS.build(slim())
    state = model.state_dict()
    other = dict(state)
    other["bbox_head.level_strides"] = torch.tensor([8, 16, 32, 64])
    with pytest.raises(ConfigError, match=r"\[8, 16, 32, 64\], this model has \[4, 8, 16, 32\]"):
        model.load_state_dict(other, strict=False)
    stock = {"neck.lateral_convs.0.conv.weight": torch.zeros(8, 16, 1, 1)}
    with pytest.raises(ConfigError, match="reads 16 channels"):
        model.load_state_dict(stock, strict=False)
    assert model.load_state_dict(state).missing_keys == []


def test_outputs_are_float32_under_autocast_and_boxes_stay_within_half_a_pixel() -> None:
    model = MODELS.build(slim()).eval()
    x = torch.randn(1, 1, 64, 1024)
    with torch.no_grad():
        exact = model.bbox_head(model.extract_feat(x))
        with torch.autocast("cpu", torch.bfloat16):
            features = model.extract_feat(x)
            fast = model.bbox_head(features)
    assert features[0].dtype == torch.bfloat16
    assert all(t.dtype == torch.float32 for level in fast for t in level)

    def decode(outputs: Any) -> torch.Tensor:
        anchors = model.bbox_head.prior_generator.grid_priors([tuple(outputs[0][0].shape[-2:])], device="cpu")
        deltas = outputs[1][0][0].permute(1, 2, 0).reshape(-1, 4)
        return model.bbox_head.bbox_coder.decode(anchors[0], deltas)

    model.bbox_head.prior_generator.strides = model.bbox_head.prior_generator.strides[:1]
    model.bbox_head.prior_generator.base_anchors = model.bbox_head.prior_generator.base_anchors[:1]
    first, second = decode(exact), decode(fast)
    right = first[:, 0] > 900
    assert right.sum() > 100
    assert (first[right] - second[right]).abs().max() < 0.5


def test_caps_are_lifted_from_the_same_features_and_said() -> None:
    cfg = slim()
    cfg.max_objects = 5
    cfg.test_cfg.update(nms_pre=10, max_per_img=5, score_thr=0.001)
    cfg.test_cfg.nms.iou_threshold = 0.99
    model = MODELS.build(cfg).eval()
    model.bbox_head.retina_cls.bias.data.fill_(1.0)
    x, metas = torch.randn(1, 1, 64, 64), [s.metainfo for s in samples(1, 64, [])]
    with torch.no_grad():
        outputs = model.bbox_head(model.extract_feat(x))
        cut = model.bbox_head.predict_by_feat(*outputs, batch_img_metas=metas)[0]
        model.bbox_head.test_cfg.max_candidates = 10_000
        whole = model.bbox_head.predict_by_feat(*outputs, batch_img_metas=metas)[0]
        model.bbox_head.test_cfg.max_candidates = 20
        some = model.bbox_head.predict_by_feat(*outputs, batch_img_metas=metas)[0]
    assert (len(cut), cut.saturated, cut.recovered) == (5, True, False)
    assert len(whole) > 200
    assert (whole.saturated, whole.recovered) == (False, True)
    assert some.saturated
    assert not some.recovered


def test_a_step_lowers_the_loss_on_one_batch() -> None:
    model = MODELS.build(slim())
    model.init_weights()
    model.train()
    x = torch.zeros(2, 1, 64, 64)
    x[:, :, 20:30, 20:32] = 3.0
    data = samples(2, 64, [[20.0, 20, 32, 30]])
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        parts = model.loss(x, data)
        total = sum(sum(v) if isinstance(v, list) else v for v in parts.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    assert losses[-1] < 0.6 * losses[0]


def test_images_without_objects_train() -> None:
    model = MODELS.build(slim())
    parts = model.loss(torch.zeros(1, 1, 64, 64), samples(1, 64, []))
    total = sum(sum(v) if isinstance(v, list) else v for v in parts.values())
    assert torch.isfinite(total)


def test_an_enlarged_chip_is_seen_as_the_plain_network_sees_it_enlarged_by_hand() -> None:
    plain = MODELS.build(slim()).eval()
    cfg = slim()
    cfg.enlargement = 2
    cfg.bbox_head.anchor_generator.strides = [2, 4, 8, 16]
    cfg.bbox_head.anchor_generator.object_size_range = (3, 30)
    enlarging = MODELS.build(cfg).eval()
    state = plain.state_dict()
    state["bbox_head.level_strides"] = enlarging.bbox_head.level_strides
    enlarging.load_state_dict(state)
    x = torch.randn(1, 1, 64, 96)
    with torch.no_grad():
        expected = plain.extract_feat(torch.from_numpy(twice(twice(x.numpy(), 2), 3)))
        found = enlarging.extract_feat(x)
    assert found[0].shape[-2:] == (32, 48)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def twice(image: np.ndarray, axis: int) -> np.ndarray:
    """Linear interpolation at pixel centres a quarter of a pixel off, edges repeated."""
    padded = np.pad(image, [(1, 1) if k == axis else (0, 0) for k in range(image.ndim)], mode="edge")
    n = image.shape[axis]
    before, here, after = (np.take(padded, np.arange(k, k + n), axis) for k in range(3))
    both = np.stack([0.25 * before + 0.75 * here, 0.75 * here + 0.25 * after], axis + 1)
    return both.reshape([2 * n if k == axis else s for k, s in enumerate(image.shape)])


def test_an_enlargement_that_the_anchors_do_not_expect_is_refused() -> None:
    cfg = slim()
    cfg.enlargement = 2
    with pytest.raises(ConfigError, match=r"strides \[2, 4, 8, 16\], anchors assume \[4, 8, 16, 32\]"):
        MODELS.build(cfg)
