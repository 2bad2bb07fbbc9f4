# The moving average of the weights off.
_base_ = ["../paired/ours_r18_malaria-thick.py"]
custom_hooks = []
