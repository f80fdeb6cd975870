// The ledger on a disk that fails once: what could not be synced never counts as durable.
#include "storage/ledger.h"

#include <gtest/gtest.h>

#include "tests/support/recording_file_system.h"
#include "tests/support/scratch_dir.h"

namespace vdb::storage {
namespace {

using testing::OpKind;

class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Ledger::Create(fs_, path_, "00000000-0000-4000-8000-000000000001").ok());
    auto record = Ledger::Read(fs_, path_);
    ASSERT_TRUE(record.ok()) << record.status().ToString();
    auto ledger = Ledger::Open(fs_, path_, *record);
    ASSERT_TRUE(ledger.ok()) << ledger.status().ToString();
    ledger_ = std::move(*ledger);
  }
  // The first operation of this kind fails; all others work.
  void FailOnce(OpKind kind) {
    fs_.SetHook([kind, failed = false](const testing::Operation& operation, size_t) mutable {
      testing::Verdict verdict;
      if (failed || operation.kind != kind) return verdict;
      failed = true;
      verdict.action = testing::Verdict::Action::kFail;
      verdict.status = Status::IoError("planted");
      return verdict;
    });
  }
  void ExpectNothingCountsAnyMore() {
    EXPECT_EQ(ledger_->Write({.batch = 3}).code(), StatusCode::kIoError);
    EXPECT_EQ(ledger_->Sync().code(), StatusCode::kIoError);
    EXPECT_EQ(ledger_->BeforeSwitch(7).code(), StatusCode::kIoError);
  }

  testing::ScratchDir scratch_;
  testing::RecordingFileSystem fs_{scratch_.path()};
  const std::string path_ = scratch_ / "ledger";
  std::unique_ptr<Ledger> ledger_;
};

// The system reports a failed fsync once, and then says OK of pages it has thrown away.
TEST_F(LedgerTest, AFailedSyncIsFinal) {
  ASSERT_TRUE(ledger_->Write({.batch = 1}).ok());
  FailOnce(OpKind::kSync);
  EXPECT_EQ(ledger_->Sync().code(), StatusCode::kIoError);
  ExpectNothingCountsAnyMore();
}

TEST_F(LedgerTest, AFailedWriteIsFinal) {
  FailOnce(OpKind::kWrite);
  EXPECT_EQ(ledger_->Write({.batch = 1}).code(), StatusCode::kIoError);
  ExpectNothingCountsAnyMore();
}

TEST_F(LedgerTest, WhatWasWrittenAndSyncedIsRead) {
  ASSERT_TRUE(ledger_->Write({.batch = 2, .durable_batch = 1}).ok());
  ASSERT_TRUE(ledger_->Sync().ok());
  const auto record = Ledger::Read(fs_, path_);
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->batch, 2u);
  EXPECT_EQ(record->durable_batch, 1u);
}

}  // namespace
}  // namespace vdb::storage
