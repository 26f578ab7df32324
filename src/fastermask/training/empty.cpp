namespace fastermask {}
