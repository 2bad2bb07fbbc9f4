# Matching by distance off: adaptive selection as published, candidates level by level.
_base_ = ["../paired/ours_r18_malaria-thick.py"]
model = dict(train_cfg=dict(assigner=dict(_delete_=True, type="LevelATSSAssigner", topk=9)))
