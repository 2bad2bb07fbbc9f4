"""Data sets that are registered with MMDetection."""

from retina_domains.plugin.datasets.coco import CocoObjects
from retina_domains.plugin.datasets.raster import RasterTiles
from retina_domains.plugin.datasets.sampler import SceneBalancedSampler
from retina_domains.plugin.datasets.simulated import SimulatedSmears
from retina_domains.plugin.datasets.smear import SmearFields

__all__ = ["CocoObjects", "RasterTiles", "SceneBalancedSampler", "SimulatedSmears", "SmearFields"]
