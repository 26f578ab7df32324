// Reading torch.save files: the zip format and the older one.
#include "fastermask/weights/torch_file.h"

#include <cstring>
#include <map>
#include <utility>

#include "fastermask/base/file.h"
#include "fastermask/base/text.h"
#include "fastermask/weights/torch_storage.h"
#include "fastermask/weights/zip_file.h"

namespace fastermask {
namespace {

// The first pickle of the older format: the number 0x1950a86a20f9469cfc6c as LONG1 of 10 bytes, in protocol 2.
constexpr std::string_view kLegacyMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);

// A storage's persistent id: ("storage", type, key, location, element count[, view]).
struct StorageId {
  DType dtype = DType::float32;
  std::string key;
  std::int64_t count = 0;
  PickleValue view;  // of the older format: None or (key, offset, count)
};

StorageId parse_storage_id(const PickleValue& id, const std::string& where) {
  if (id.kind() != PickleValue::Kind::tuple || id.items().size() < 5 || !id.items()[0].is_string() ||
      id.items()[0].text() != "storage") {
    fail<WeightsError>("{}: a persistent id must be a tuple that begins with 'storage', got {}", where, id.describe());
  }
  StorageId result;
  if (!torch_dtype_of(id.items()[1].type_name(), result.dtype)) {
    fail<WeightsError>("{}: storage type {} is not supported", where, id.items()[1].describe());
  }
  const PickleValue& key = id.items()[2];
  result.key = key.is_string() ? key.text() : std::to_string(key.as_int());
  result.count = id.items()[4].as_int();
  if (result.count < 0 || result.count > (std::int64_t{1} << 58)) {
    fail<WeightsError>("{}: storage {} has an impossible size {}", where, result.key, result.count);
  }
  if (id.items().size() > 5) result.view = id.items()[5];
  return result;
}

PickleValue storage_value(std::shared_ptr<PickleStorage> storage) {
  auto node = std::make_shared<PickleNode>();
  node->kind = PickleValue::Kind::storage;
  node->storage = std::move(storage);
  return PickleValue(std::move(node));
}

// The folder all entries of the archive lie in: "archive/" of "archive/data.pkl".
std::string archive_folder(const ZipReader& archive, const std::string& where) {
  for (const std::string& name : archive.names()) {
    const std::size_t slash = name.find('/');
    if (slash != std::string::npos && name.substr(slash) == "/data.pkl") return name.substr(0, slash + 1);
  }
  fail<WeightsError>("{}: a zip archive without data.pkl: not a file of torch.save", where);
}

PickleValue parse_torch_zip(std::string_view content, const std::string& where, int nesting) {
  const ZipReader archive(content, where);
  const std::string folder = archive_folder(archive, where);
  if (archive.has(folder + "constants.pkl")) {
    fail<WeightsError>("{}: a TorchScript archive holds code; save the model's state_dict() with torch.save", where);
  }
  if (archive.has(folder + "byteorder") && archive.read(folder + "byteorder") == "big") {
    fail<WeightsError>("{}: written on a big-endian machine, which is not supported", where);
  }
  std::map<std::string, PickleValue> storages;
  UnpickleOptions options;
  options.where = where;
  options.nesting = nesting;
  options.max_array_bytes = 8 * static_cast<std::uint64_t>(content.size()) + (std::uint64_t{64} << 20);
  options.persistent_load = [&](const PickleValue& id) {
    const StorageId storage_id = parse_storage_id(id, where);
    PickleValue& known = storages[storage_id.key];
    if (!known.is_none()) return known;
    const std::string entry = folder + "data/" + storage_id.key;
    const std::uint64_t bytes = static_cast<std::uint64_t>(storage_id.count) * element_size(storage_id.dtype);
    if (archive.size(entry) != bytes) {
      fail<WeightsError>("{}: storage {} must have {} bytes, got {}", where, storage_id.key, bytes,
                         archive.size(entry));
    }
    auto storage = std::make_shared<PickleStorage>();
    storage->dtype = storage_id.dtype;
    storage->count = storage_id.count;
    storage->elements = std::make_shared<NDArray>(storage_id.dtype, Shape{storage_id.count});
    archive.read_into(entry, storage->elements->bytes.data(), bytes);
    known = storage_value(std::move(storage));
    return known;
  };
  const std::string tree = archive.read(folder + "data.pkl");
  return unpickle(tree, options).value;
}

// The older format: pickles of a magic number, a protocol number, the machine's sizes, the object, and the storages'
// keys; then each storage as its element count (int64) and elements. Tensors stand before the data they need, so the
// object is read twice: first to learn the storages' types, then with their contents.
class LegacyTorchReader {
 public:
  LegacyTorchReader(std::string_view content, std::string where, int nesting)
      : content_(content), where_(std::move(where)), nesting_(nesting) {}

  PickleValue read() {
    std::size_t position = kLegacyMagic.size();
    position += unpickle(content_.substr(position), options()).end;
    const Unpickled machine = unpickle(content_.substr(position), options());
    const PickleValue* little_endian = machine.value.find("little_endian");
    if (little_endian != nullptr && !little_endian->as_bool()) {
      fail<WeightsError>("{}: written on a big-endian machine, which is not supported", where_);
    }
    position += machine.end;
    const std::string_view object = content_.substr(position);
    position += unpickle(object, options()).end;
    const Unpickled keys = unpickle(content_.substr(position), options());
    read_storages(keys.value, content_.substr(position + keys.end));
    return unpickle(object, options()).value;
  }

 private:
  UnpickleOptions options() {
    UnpickleOptions result;
    result.where = where_;
    result.nesting = nesting_;
    result.max_array_bytes = 8 * static_cast<std::uint64_t>(content_.size()) + (std::uint64_t{64} << 20);
    result.persistent_load = [this](const PickleValue& id) {
      const StorageId storage_id = parse_storage_id(id, where_);
      PickleValue& storage = storages_[storage_id.key];
      if (storage.is_none()) {
        auto sizes = std::make_shared<PickleStorage>();
        sizes->dtype = storage_id.dtype;
        sizes->count = storage_id.count;
        storage = storage_value(std::move(sizes));
      }
      return storage_id.view.is_none() ? storage : view_of(storage, storage_id);
    };
    return result;
  }

  // A storage that is a part of another one: (key, offset, element count).
  PickleValue view_of(const PickleValue& base, const StorageId& id) const {
    const PickleStorage& whole = *base.node()->storage;
    const bool tuple = id.view.kind() == PickleValue::Kind::tuple && id.view.items().size() == 3;
    const std::int64_t offset = tuple ? id.view.items()[1].as_int() : -1;
    const std::int64_t count = tuple ? id.view.items()[2].as_int() : -1;
    if (offset < 0 || count < 0 || offset > whole.count || count > whole.count - offset) {
      fail<WeightsError>("{}: storage {} has a view beyond its end", where_, id.key);
    }
    auto part = std::make_shared<PickleStorage>();
    part->dtype = whole.dtype;
    part->count = count;
    if (whole.elements != nullptr) {
      const std::size_t size = element_size(whole.dtype);
      part->elements = std::make_shared<NDArray>(whole.dtype, Shape{count});
      std::memcpy(part->elements->bytes.data(), whole.elements->bytes.data() + static_cast<std::size_t>(offset) * size,
                  part->elements->bytes.size());
    }
    return storage_value(std::move(part));
  }

  void read_storages(const PickleValue& keys, std::string_view data) {
    for (const PickleValue& key_value : keys.items()) {
      const std::string key = key_value.is_string() ? key_value.text() : std::to_string(key_value.as_int());
      const auto found = storages_.find(key);
      std::int64_t count = 0;
      if (data.size() < sizeof(count)) fail<WeightsError>("{}: cut off before storage {}", where_, key);
      std::memcpy(&count, data.data(), sizeof(count));
      data.remove_prefix(sizeof(count));
      if (found == storages_.end()) fail<WeightsError>("{}: storage {} belongs to no tensor", where_, key);
      PickleStorage& storage = *found->second.node()->storage;
      const std::size_t size = element_size(storage.dtype);
      if (count != storage.count || static_cast<std::uint64_t>(count) > data.size() / size) {
        fail<WeightsError>("{}: storage {} must have {} elements, {} bytes are left; the file is cut off or damaged",
                           where_, key, storage.count, data.size());
      }
      storage.elements = std::make_shared<NDArray>(storage.dtype, Shape{count});
      const std::size_t bytes = static_cast<std::size_t>(count) * size;
      if (bytes > 0) std::memcpy(storage.elements->bytes.data(), data.data(), bytes);
      data.remove_prefix(bytes);
    }
  }

  std::string_view content_;
  std::string where_;
  int nesting_;
  std::map<std::string, PickleValue> storages_;
};

// The format of 2016 (PyTorch before 0.2) was a tar file.
bool is_tar(std::string_view content) { return content.size() > 262 && content.substr(257, 5) == "ustar"; }

}  // namespace

bool is_zip(std::string_view content) { return content.substr(0, 4) == "PK\x03\x04"; }
bool is_legacy_torch_file(std::string_view content) { return starts_with(content, kLegacyMagic); }

PickleValue parse_torch_file(std::string_view content, const std::string& where, int nesting) {
  if (is_zip(content)) return parse_torch_zip(content, where, nesting);
  if (is_legacy_torch_file(content)) return LegacyTorchReader(content, where, nesting).read();
  if (is_tar(content)) {
    fail<WeightsError>("{}: a tar file of PyTorch 0.1; load and save it again with a PyTorch of today", where);
  }
  fail<WeightsError>("{}: not a file of torch.save; it is neither a zip archive nor begins with PyTorch's number",
                     where);
}

PickleValue load_torch_file(const std::string& path) {
  const MappedFile file(path);
  return parse_torch_file(file.view(), path);
}

void save_torch_file(const std::string& path, const PickleValue& tree) {
  std::vector<std::shared_ptr<NDArray>> storages;
  std::map<const NDArray*, PickleValue> ids;
  const std::string data = pickle(tree, [&](const std::shared_ptr<NDArray>& array) {
    PickleValue& id = ids[array.get()];
    if (id.is_none()) {
      PickleValue type(std::make_shared<PickleNode>());
      type.node()->kind = PickleValue::Kind::object;
      type.node()->text = "torch." + torch_storage_type(array->dtype);
      type.node()->is_global = true;
      id = PickleValue::tuple({PickleValue::string("storage"), type,
                               PickleValue::string(std::to_string(storages.size())), PickleValue::string("cpu"),
                               PickleValue::integer(array->size())});
      storages.push_back(array);
    }
    return id;
  });
  write_file_atomic(path, [&](const std::string& temporary) {
    ZipWriter writer(temporary, 64);
    writer.add("archive/data.pkl", {data});
    for (std::size_t i = 0; i < storages.size(); ++i) {
      const auto& bytes = storages[i]->bytes;
      writer.add(fmt::format("archive/data/{}", i), {{reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
    }
    writer.add("archive/version", {"3\n"});
    writer.finish();
  });
}

}  // namespace fastermask
