// Status and StatusOr: how every fallible call of vdb reports what happened.
//
// The library never throws across its API. A Status that is not OK carries a code, which says what
// a caller can do about it, and a message that names the object, what was expected, what was found
// and the next step. Both classes are [[nodiscard]]; to ignore an error on purpose, call
// IgnoreError.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace vdb {

/// What a caller can do about a failure. Persist names, never numbers.
enum class StatusCode : int {
  kOk = 0,
  kNotFound = 1,            ///< The database, collection, column or document does not exist.
  kAlreadyExists = 2,       ///< It exists, and the call asked for it not to.
  kInvalidArgument = 3,     ///< The input breaks the contract; nothing was written.
  kFailedPrecondition = 4,  ///< Not in this state: version mismatch, read-only, closed, stopped.
  kCorruption = 5,          ///< Bytes on disk are not what was written; nothing was changed.
  kUnsupportedFormat = 6,   ///< Written by a newer vdb, or not a database at all.
  kIoError = 7,             ///< The operating system refused; the message has its reason.
  kBusy = 8,                ///< Another process holds what is needed; try again later.
  kCancelled = 9,           ///< A progress callback asked to stop.
  kResourceExhausted = 10,  ///< Disk full, out of memory, or a documented limit reached.
  kOutcomeUnknown = 11,     ///< A write failed half-way: it may or may not survive. Reopen and see.
};

/// The name of a code in the words of this header, e.g. "not found".
std::string_view StatusCodeName(StatusCode code);

/// Success, or a code with a message. Cheap to move; OK carries no allocation.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }
  static Status NotFound(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
  static Status AlreadyExists(std::string m) { return {StatusCode::kAlreadyExists, std::move(m)}; }
  static Status InvalidArgument(std::string m) {
    return {StatusCode::kInvalidArgument, std::move(m)};
  }
  static Status FailedPrecondition(std::string m) {
    return {StatusCode::kFailedPrecondition, std::move(m)};
  }
  static Status Corruption(std::string m) { return {StatusCode::kCorruption, std::move(m)}; }
  static Status UnsupportedFormat(std::string m) {
    return {StatusCode::kUnsupportedFormat, std::move(m)};
  }
  static Status IoError(std::string m) { return {StatusCode::kIoError, std::move(m)}; }
  static Status Busy(std::string m) { return {StatusCode::kBusy, std::move(m)}; }
  static Status Cancelled(std::string m) { return {StatusCode::kCancelled, std::move(m)}; }
  static Status ResourceExhausted(std::string m) {
    return {StatusCode::kResourceExhausted, std::move(m)};
  }
  static Status OutcomeUnknown(std::string m) {
    return {StatusCode::kOutcomeUnknown, std::move(m)};
  }

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  /// "not found: collection 'docs'..." or "ok".
  std::string ToString() const;

  /// The one greppable way to drop an error; `why` is for the reader of the code.
  void IgnoreError([[maybe_unused]] std::string_view why) const {}

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

/// A value, or the Status that says why there is none.
/// Requires of value() and the dereference operators: ok(). Anything else terminates (a bug).
template <typename T>
class [[nodiscard]] StatusOr {
 public:
  StatusOr(Status status) : state_(std::move(status)) {}      // NOLINT: implicit on purpose
  StatusOr(T value) : state_(std::in_place_index<1>, std::move(value)) {}  // NOLINT

  bool ok() const { return state_.index() == 1; }
  Status status() const { return ok() ? Status::Ok() : std::get<0>(state_); }

  T& value() & { return std::get<1>(state_); }
  const T& value() const& { return std::get<1>(state_); }
  T&& value() && { return std::get<1>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<Status, T> state_;
};

}  // namespace vdb
