// FunctionRef: a function that somebody else keeps, to be called while that one waits (std::function_ref of C++26).
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace fastermask {

template <class Signature>
class FunctionRef;

// Unlike std::function it copies nothing and so never allocates; it must not outlive what it was made of.
template <class Result, class... Args>
class FunctionRef<Result(Args...)> {
 public:
  template <class Callable, class = std::enable_if_t<!std::is_same_v<std::decay_t<Callable>, FunctionRef>>>
  FunctionRef(Callable&& callable)  // implicit, so that lambdas can be handed over
      : callable_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* kept, Args... args) -> Result {
          return (*static_cast<std::remove_reference_t<Callable>*>(kept))(std::forward<Args>(args)...);
        }) {}

  Result operator()(Args... args) const { return call_(callable_, std::forward<Args>(args)...); }

 private:
  void* callable_;
  Result (*call_)(void* callable, Args... args);
};

}  // namespace fastermask
