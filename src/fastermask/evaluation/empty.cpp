// Placeholder translation unit so that the empty layer links; removed with the first real file.
namespace fastermask {}
