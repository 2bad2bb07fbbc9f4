# Nine anchors learn each object instead of some three, as in the base models now.
_base_ = ["./ours_r18_malaria-thick.py"]
model = dict(train_cfg=dict(assigner=dict(_delete_=True, type="WassersteinRankingAssigner", topk=9)))
