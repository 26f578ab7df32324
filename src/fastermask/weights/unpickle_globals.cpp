// The globals a pickle may name, and what each builds. Everything here only puts data together: nothing is looked up in
// any Python, nothing runs. Other names are refused.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "fastermask/base/text.h"
#include "fastermask/weights/numpy_type.h"
#include "fastermask/weights/unpickler.h"

namespace fastermask {
namespace {

using PickleArguments = std::vector<PickleValue>;
using PickleBuilder = PickleValue (*)(UnpickleContext& context, const std::string& name,
                                      const PickleArguments& arguments);

[[noreturn]] void bad_global_arguments(const UnpickleContext& context, const std::string& name) {
  fail<WeightsError>("{}: damaged pickle: wrong arguments for {}", context.where(), name);
}

// A plain record of a call whose result has no meaning for weights.
PickleValue build_inert(UnpickleContext& context, const std::string& name, const PickleArguments& arguments) {
  PickleValue value = context.arena.make(PickleValue::Kind::object, name);
  value.node()->items = arguments;
  return value;
}

// A dict or one of its kin, from nothing, from another dict, or from a list of pairs.
PickleValue build_dict(UnpickleContext& context, const std::string& name, const PickleArguments& arguments) {
  PickleValue dict = context.arena.make(PickleValue::Kind::dict, name == "builtins.dict" ? "" : name);
  for (const PickleValue& argument : arguments) {
    if (argument.is_dict()) {
      for (const PickleEntry& entry : argument.entries()) dict.set(entry.key, entry.value);
    } else if (argument.kind() == PickleValue::Kind::list) {
      for (const PickleValue& pair : argument.items()) {
        if ((pair.kind() != PickleValue::Kind::list && pair.kind() != PickleValue::Kind::tuple) ||
            pair.items().size() != 2) {
          bad_global_arguments(context, name);
        }
        dict.set(pair.items()[0], pair.items()[1]);
      }
    }
  }
  return dict;
}

// list, tuple, set, frozenset, collections.deque, torch.Size.
PickleValue build_sequence(UnpickleContext& context, const std::string& name, const PickleArguments& arguments) {
  using Kind = PickleValue::Kind;
  Kind kind = Kind::list;
  if (name == "builtins.tuple" || name == "torch.Size") kind = Kind::tuple;
  if (name == "builtins.set" || name == "builtins.frozenset") kind = Kind::set;
  PickleValue value = context.arena.make(kind);
  if (arguments.empty()) return value;
  const Kind given = arguments[0].kind();
  if (given != Kind::list && given != Kind::tuple && given != Kind::set) bad_global_arguments(context, name);
  value.node()->items = arguments[0].items();
  return value;
}

// Text as Latin-1 bytes: how Python 3 writes bytes in protocol 2.
std::string latin1_bytes(UnpickleContext& context, const std::string& text) {
  context.charge(text.size());
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned char byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      bytes.push_back(text[i]);
      continue;
    }
    const bool two = (byte == 0xC2 || byte == 0xC3) && i + 1 < text.size() &&
                     (static_cast<unsigned char>(text[i + 1]) & 0xC0) == 0x80;
    if (!two) fail<WeightsError>("{}: damaged pickle: bytes are not written as Latin-1", context.where());
    bytes.push_back(static_cast<char>((byte & 0x03) << 6 | (static_cast<unsigned char>(text[i + 1]) & 0x3F)));
    ++i;
  }
  return bytes;
}

// _codecs.encode(text, "latin1"), bytes() and bytearray(...).
PickleValue build_bytes(UnpickleContext& context, const std::string& name, const PickleArguments& arguments) {
  if (arguments.empty()) return context.arena.make(PickleValue::Kind::bytes);
  if (arguments[0].kind() == PickleValue::Kind::bytes) return arguments[0];
  if (!arguments[0].is_string()) bad_global_arguments(context, name);
  if (arguments.size() > 1) {
    const std::string codec = arguments[1].is_string() ? to_lower(arguments[1].text()) : "";
    if (codec != "latin1" && codec != "latin-1") bad_global_arguments(context, name);
  }
  return context.arena.make(PickleValue::Kind::bytes, latin1_bytes(context, arguments[0].text()));
}

NumpyType numpy_type_of(const UnpickleContext& context, const PickleValue& dtype) {
  if (dtype.kind() != PickleValue::Kind::object || dtype.type_name() != "numpy.dtype" || dtype.items().empty() ||
      !dtype.items()[0].is_string()) {
    fail<WeightsError>("{}: damaged pickle: a NumPy array has no element type", context.where());
  }
  NumpyType type = parse_numpy_type(dtype.items()[0].text(), context.where());
  const PickleValue& state = dtype.node()->state;
  if (state.kind() == PickleValue::Kind::tuple && state.items().size() >= 2 && state.items()[1].is_string()) {
    type.swapped = state.items()[1].text() == ">";
  }
  return type;
}

Shape shape_of(const UnpickleContext& context, const PickleValue& value) {
  if (value.kind() != PickleValue::Kind::tuple || value.items().size() > 64) {
    fail<WeightsError>("{}: damaged pickle: an array's shape is no tuple", context.where());
  }
  Shape shape;
  for (const PickleValue& size : value.items()) shape.push_back(size.as_int());
  return shape;
}

std::shared_ptr<NDArray> numpy_elements(UnpickleContext& context, const PickleValue& dtype, const Shape& shape,
                                        bool fortran_order, const PickleValue& data) {
  const NumpyType type = numpy_type_of(context, dtype);
  if (data.kind() != PickleValue::Kind::bytes && !data.is_string()) {
    fail<WeightsError>("{}: damaged pickle: a NumPy array's elements are no bytes", context.where());
  }
  context.charge(checked_bytes(shape, std::max(type.size, 4), context.where()));
  return std::make_shared<NDArray>(array_of_numpy(type, shape, fortran_order, data.text(), context.where()));
}

// _reconstruct(ndarray, (0,), b"b"): an empty array that BUILD fills.
PickleValue build_empty_array(UnpickleContext& context, const std::string&, const PickleArguments&) {
  return context.make_array(std::make_shared<NDArray>(DType::float32, Shape{0}));
}

PickleValue build_numpy_scalar(UnpickleContext& context, const std::string& name, const PickleArguments& arguments) {
  if (arguments.size() != 2) bad_global_arguments(context, name);
  return context.make_array(numpy_elements(context, arguments[0], {}, false, arguments[1]));
}

PickleValue build_from_buffer(UnpickleContext& context, const std::string& name, const PickleArguments& arguments) {
  if (arguments.size() != 4 || !arguments[3].is_string()) bad_global_arguments(context, name);
  return context.make_array(
      numpy_elements(context, arguments[1], shape_of(context, arguments[2]), arguments[3].text() == "F", arguments[0]));
}

// _rebuild_parameter(data, requires_grad, hooks) and its kin: the tensor itself.
PickleValue build_first(UnpickleContext& context, const std::string& name, const PickleArguments& arguments) {
  if (arguments.empty()) bad_global_arguments(context, name);
  return arguments[0];
}

// _rebuild_from_type_v2(function, type, arguments, state): the function's tensor.
PickleValue build_from_type(UnpickleContext& context, const std::string& name, const PickleArguments& arguments) {
  if (arguments.size() != 4 || arguments[0].type_name() == name) bad_global_arguments(context, name);
  return call_pickle_global(context, arguments[0], arguments[2]);
}

PickleValue build_torch_bytes(UnpickleContext& context, const std::string& name, const PickleArguments& arguments) {
  if (arguments.size() != 1) bad_global_arguments(context, name);
  return load_torch_bytes(context, arguments[0]);
}

// copyreg._reconstructor(class, base, state): an object of Python 2.
PickleValue build_reconstructed(UnpickleContext& context, const std::string& name, const PickleArguments& arguments) {
  if (arguments.size() != 3) bad_global_arguments(context, name);
  PickleValue none = context.arena.make(PickleValue::Kind::tuple);
  return call_pickle_global(context, arguments[0], none);
}

const std::unordered_map<std::string, PickleBuilder>& pickle_builders() {
  static const std::unordered_map<std::string, PickleBuilder> builders = {
      {"collections.OrderedDict", build_dict},
      {"collections.Counter", build_dict},
      {"collections.defaultdict", build_dict},
      {"builtins.dict", build_dict},
      {"yacs.config.CfgNode", build_dict},
      {"fvcore.common.config.CfgNode", build_dict},
      {"detectron2.config.config.CfgNode", build_dict},
      {"mmcv.utils.config.ConfigDict", build_dict},
      {"mmengine.config.config.ConfigDict", build_dict},
      {"addict.addict.Dict", build_dict},
      {"builtins.list", build_sequence},
      {"builtins.tuple", build_sequence},
      {"builtins.set", build_sequence},
      {"builtins.frozenset", build_sequence},
      {"collections.deque", build_sequence},
      {"torch.Size", build_sequence},
      {"builtins.bytes", build_bytes},
      {"builtins.bytearray", build_bytes},
      {"_codecs.encode", build_bytes},
      {"copyreg._reconstructor", build_reconstructed},
      {"numpy.core.multiarray._reconstruct", build_empty_array},
      {"numpy.core.multiarray.scalar", build_numpy_scalar},
      {"numpy.core.numeric._frombuffer", build_from_buffer},
      {"numpy.dtype", build_inert},
      {"torch._utils._rebuild_tensor", rebuild_torch_tensor},
      {"torch._utils._rebuild_tensor_v2", rebuild_torch_tensor},
      {"torch._utils._rebuild_tensor_v3", rebuild_torch_tensor},
      {"torch._utils._rebuild_parameter", build_first},
      {"torch._utils._rebuild_parameter_with_state", build_first},
      {"torch._utils._rebuild_device_tensor_from_numpy", build_first},
      {"torch._tensor._rebuild_from_type_v2", build_from_type},
      {"torch.storage._load_from_bytes", build_torch_bytes},
  };
  return builders;
}

// Classes without meaning for weights that training checkpoints carry: kept as records of their arguments and state.
bool is_inert_global(const std::string& name) {
  static const std::unordered_set<std::string> names = {"argparse.Namespace",
                                                        "pathlib.PosixPath",
                                                        "pathlib.PurePosixPath",
                                                        "pathlib.WindowsPath",
                                                        "datetime.datetime",
                                                        "datetime.date",
                                                        "datetime.timedelta",
                                                        "builtins.object",
                                                        "builtins.complex",
                                                        "builtins.slice",
                                                        "builtins.range",
                                                        "builtins.int",
                                                        "builtins.float",
                                                        "builtins.bool",
                                                        "builtins.str",
                                                        "builtins.getattr",
                                                        "numpy.ndarray",
                                                        "numpy.bool_",
                                                        "torch.device",
                                                        "torch.Tensor",
                                                        "torch.nn.parameter.Parameter",
                                                        "torch.nn.parameter.Buffer",
                                                        "torch.serialization._get_layout",
                                                        "torch.UntypedStorage",
                                                        "torch.storage.UntypedStorage",
                                                        "torch.storage._UntypedStorage",
                                                        "torch.storage.TypedStorage",
                                                        "torch.storage._TypedStorage",
                                                        "mmengine.logging.history_buffer.HistoryBuffer",
                                                        "mmengine.logging.message_hub.MessageHub",
                                                        "mmengine.config.config.Config",
                                                        "mmcv.utils.config.Config"};
  if (names.count(name) != 0) return true;
  // torch.FloatStorage, torch.float32, numpy.int64, ...: element types.
  static const std::unordered_set<std::string> torch_types = {"float32", "float64", "float16", "bfloat16", "int64",
                                                              "int32",   "int16",   "int8",    "uint8",    "bool"};
  if (starts_with(name, "numpy.") && torch_types.count(name.substr(6)) != 0) return true;
  if (!starts_with(name, "torch.")) return false;
  const std::string type = name.substr(6);
  static const std::unordered_set<std::string> storages = {
      "FloatStorage", "DoubleStorage", "HalfStorage", "BFloat16Storage", "LongStorage",
      "IntStorage",   "ShortStorage",  "CharStorage", "ByteStorage",     "BoolStorage"};
  return torch_types.count(type) != 0 || storages.count(type) != 0;
}

// Modules that were renamed between Python, NumPy and PyTorch versions, under one name.
std::string canonical_module(const std::string& module) {
  if (module == "__builtin__") return "builtins";
  if (module == "copy_reg") return "copyreg";
  if (starts_with(module, "numpy._core")) return "numpy.core" + module.substr(11);
  if (module == "torch.cuda") return "torch";
  return module;
}

}  // namespace

PickleValue find_pickle_global(UnpickleContext& context, const std::string& module, const std::string& name) {
  const std::string full_name = canonical_module(module) + "." + name;
  if (pickle_builders().count(full_name) == 0 && !is_inert_global(full_name)) {
    fail<WeightsError>(
        "{}: the pickle asks for the global '{}.{}', which is not among those that weight files need; nothing was run; "
        "save only the model's state_dict()",
        context.where(), module, name);
  }
  PickleValue value = context.arena.make(PickleValue::Kind::object, full_name);
  value.node()->is_global = true;
  return value;
}

PickleValue call_pickle_global(UnpickleContext& context, const PickleValue& callable, const PickleValue& arguments) {
  if (callable.kind() != PickleValue::Kind::object || !callable.node()->is_global ||
      arguments.kind() != PickleValue::Kind::tuple) {
    fail<WeightsError>("{}: damaged pickle: it calls something that is no global", context.where());
  }
  const std::string& name = callable.type_name();
  const auto builder = pickle_builders().find(name);
  return (builder == pickle_builders().end() ? build_inert : builder->second)(context, name, arguments.items());
}

void build_pickle_state(UnpickleContext& context, const PickleValue& target, const PickleValue& state) {
  const PickleValue::Kind kind = target.kind();
  if (kind == PickleValue::Kind::array) {
    // (version, shape, dtype, is Fortran order, elements); the version is absent in old files.
    if (state.is_dict()) return;  // attributes of a tensor subclass
    if (state.kind() != PickleValue::Kind::tuple || state.items().size() < 4) {
      fail<WeightsError>("{}: damaged pickle: a NumPy array's state must be a tuple of 5", context.where());
    }
    const std::size_t first = state.items().size() - 4;
    const PickleValue* part = state.items().data() + first;
    target.node()->array = numpy_elements(context, part[1], shape_of(context, part[0]), part[2].as_bool(), part[3]);
  } else if (kind == PickleValue::Kind::dict || kind == PickleValue::Kind::object) {
    target.node()->state = state;
  } else if (!target.is_none()) {
    fail<WeightsError>("{}: damaged pickle: it sets the state of a {}", context.where(), target.describe());
  }
}

}  // namespace fastermask
