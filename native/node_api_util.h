// Arguments in, results out: the one way every call in native/ talks to JavaScript.
// A wrong argument type throws TypeError; an errno never throws, it comes back as -errno.
// Knows no call in particular. Strings are byte strings, one latin1 character a byte.

#ifndef STRATAFS_NODE_API_UTIL_H_
#define STRATAFS_NODE_API_UTIL_H_

#include <errno.h>
#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

namespace stratafs {

// A byte string argument, NUL-terminated. PATH_MAX bounds every string the kernel takes from us.
struct ByteString {
  static constexpr size_t kMax = 4096;
  char bytes[kMax + 1];
  size_t length = 0;

  const char* c_str() const { return bytes; }
  bool empty() const { return length == 0; }
};

struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

inline napi_value Boolean(napi_env env, bool value) {
  napi_value out = nullptr;
  napi_get_boolean(env, value, &out);
  return out;
}

inline napi_value Number(napi_env env, double value) {
  napi_value out = nullptr;
  napi_create_double(env, value, &out);
  return out;
}

inline napi_value Undefined(napi_env env) {
  napi_value out = nullptr;
  napi_get_undefined(env, &out);
  return out;
}

// A kernel call's outcome: its value, or -errno.
inline napi_value Outcome(napi_env env, int64_t rc) {
  return Number(env, rc < 0 ? -static_cast<double>(errno) : static_cast<double>(rc));
}

inline napi_value ErrnoResult(napi_env env, int code) { return Number(env, -static_cast<double>(code)); }

inline napi_value Latin1(napi_env env, const char* bytes, size_t length) {
  napi_value out = nullptr;
  napi_create_string_latin1(env, bytes, length, &out);
  return out;
}

// A fresh typed array holding a copy of `length` elements.
inline napi_value CopyToTypedArray(napi_env env, napi_typedarray_type type, size_t element,
                                   const void* from, size_t length) {
  void* data = nullptr;
  napi_value buffer = nullptr, out = nullptr;
  if (napi_create_arraybuffer(env, length * element, &data, &buffer) != napi_ok) return nullptr;
  if (length > 0) memcpy(data, from, length * element);
  napi_create_typedarray(env, type, length, buffer, 0, &out);
  return out;
}

inline napi_value CopyToUint8Array(napi_env env, const void* from, size_t length) {
  return CopyToTypedArray(env, napi_uint8_array, 1, from, length);
}

// A Float64Array.
inline napi_value NumbersOf(napi_env env, const std::vector<uint64_t>& ids) {
  const std::vector<double> numbers(ids.begin(), ids.end());
  return CopyToTypedArray(env, napi_float64_array, 8, numbers.data(), numbers.size());
}

inline void SetNamed(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

// The arguments of one call. The first problem sticks; read them all, then ask ok() once.
class Args {
 public:
  static constexpr size_t kMax = 10;

  Args(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kMax;
    napi_get_cb_info(env, info, &count, values_, &self_, &data_);
  }

  napi_env env() const { return env_; }
  napi_value self() const { return self_; }
  // What the function was exposed with.
  void* data() const { return data_; }
  napi_value raw(size_t i) const { return values_[i]; }
  bool ok() const { return wrong_ == nullptr && error_ == 0; }

  // What to return when ok() is false: a thrown TypeError, or -errno for a string no call takes.
  napi_value Refuse() {
    if (wrong_ == nullptr) return ErrnoResult(env_, error_);
    char message[96];
    snprintf(message, sizeof message, "argument %zu must be %s", position_ + 1, wrong_);
    napi_throw_type_error(env_, nullptr, message);
    return nullptr;
  }

  int32_t Int(size_t i) {
    int32_t out = 0;
    if (napi_get_value_int32(env_, values_[i], &out) != napi_ok) Wrong(i, "a number");
    return out;
  }

  uint32_t U32(size_t i) {
    uint32_t out = 0;
    if (napi_get_value_uint32(env_, values_[i], &out) != napi_ok) Wrong(i, "a number");
    return out;
  }

  int64_t I64(size_t i) {
    int64_t out = 0;
    if (napi_get_value_int64(env_, values_[i], &out) != napi_ok) Wrong(i, "a number");
    return out;
  }

  double F64(size_t i) {
    double out = 0;
    if (napi_get_value_double(env_, values_[i], &out) != napi_ok) Wrong(i, "a number");
    return out;
  }

  bool Bool(size_t i) {
    bool out = false;
    if (napi_get_value_bool(env_, values_[i], &out) != napi_ok) Wrong(i, "a boolean");
    return out;
  }

  void Text(size_t i, ByteString* out) { TextOf(values_[i], i, out); }

  // `i` names the argument in a complaint; `value` may be an element of it.
  void TextOf(napi_value value, size_t i, ByteString* out) {
    char16_t wide[ByteString::kMax + 2];
    size_t length = 0;
    out->bytes[0] = 0;
    out->length = 0;
    if (napi_get_value_string_utf16(env_, value, wide, ByteString::kMax + 2, &length) != napi_ok) {
      return Wrong(i, "a string");
    }
    if (length > ByteString::kMax) return Fail(ENAMETOOLONG);
    char16_t seen = 0;
    bool nul = false;
    for (size_t k = 0; k < length; k++) {
      seen |= wide[k];
      nul |= wide[k] == 0;
      out->bytes[k] = static_cast<char>(wide[k]);
    }
    // A NUL would cut the name short, a character above 255 would name another file.
    if (nul || seen > 0xff) return Fail(EINVAL);
    out->bytes[length] = 0;
    out->length = length;
  }

  Bytes U8(size_t i) { return Typed(i, napi_uint8_array, "a Uint8Array"); }

  Bytes Typed(size_t i, napi_typedarray_type wanted, const char* what) {
    return TypedOf(values_[i], i, wanted, what);
  }

  // `length` counts elements.
  Bytes TypedOf(napi_value value, size_t i, napi_typedarray_type wanted, const char* what) {
    bool is = false;
    Bytes out;
    napi_typedarray_type type;
    void* data = nullptr;
    if (napi_is_typedarray(env_, value, &is) != napi_ok || !is ||
        napi_get_typedarray_info(env_, value, &type, &out.length, &data, nullptr, nullptr) != napi_ok ||
        type != wanted) {
      Wrong(i, what);
      return Bytes();
    }
    out.data = static_cast<uint8_t*>(data);
    return out;
  }

  // A property of an object argument; undefined when there is none.
  napi_value Property(size_t i, const char* name) {
    napi_value out = nullptr;
    napi_valuetype type = napi_undefined;
    napi_typeof(env_, values_[i], &type);
    if (type != napi_object || napi_get_named_property(env_, values_[i], name, &out) != napi_ok) {
      Wrong(i, "an object");
      return Undefined(env_);
    }
    return out;
  }

  napi_value Function(size_t i) {
    napi_valuetype type = napi_undefined;
    napi_typeof(env_, values_[i], &type);
    if (type != napi_function) Wrong(i, "a function");
    return values_[i];
  }

  void Wrong(size_t i, const char* what) {
    if (!ok()) return;
    wrong_ = what;
    position_ = i;
  }

  void Fail(int code) {
    if (ok()) error_ = code;
  }

  napi_value Answer(int64_t rc) { return Outcome(env_, rc); }

 private:
  napi_env env_;
  napi_value values_[kMax] = {};
  napi_value self_ = nullptr;
  void* data_ = nullptr;
  const char* wrong_ = nullptr;
  size_t position_ = 0;
  int error_ = 0;
};

struct Method {
  const char* name;
  napi_callback call;
};

template <size_t N>
void Expose(napi_env env, napi_value target, const Method (&methods)[N], void* data = nullptr) {
  for (const Method& method : methods) {
    napi_value fn = nullptr;
    napi_create_function(env, method.name, NAPI_AUTO_LENGTH, method.call, data, &fn);
    napi_set_named_property(env, target, method.name, fn);
  }
}

// A descriptor as a path, for the calls that have no form for an O_PATH descriptor.
struct ProcPath {
  char text[ByteString::kMax + 40];
  explicit ProcPath(int fd) { snprintf(text, sizeof text, "/proc/self/fd/%d", fd); }
  ProcPath(int dirfd, const char* name) { snprintf(text, sizeof text, "/proc/self/fd/%d/%s", dirfd, name); }
};

}  // namespace stratafs

#endif  // STRATAFS_NODE_API_UTIL_H_
