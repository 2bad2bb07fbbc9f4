"""From smears to counts with intervals: fields searched, cells told apart, numbers and pages written."""

from retina_domains.counting.job import count_smears
from retina_domains.counting.known import bundle_options
from retina_domains.counting.results import CountResult, SmearResult
from retina_domains.counting.values import CountOptions, CountOutputs

__all__ = ["CountOptions", "CountOutputs", "CountResult", "SmearResult", "bundle_options", "count_smears"]
