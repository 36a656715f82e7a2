#pragma once

// How a node of a graph becomes one that an object of ours computes, on ggml's threads.
//
//  C1. take() is called before a graph runs, on the engine thread; the function given here while it runs, by every one of
//      ggml's threads. ggml makes them wait for each other between nodes; the Turns that all operations of a graph share
//      order their memory where ThreadSanitizer can see it, too.
//  C2. A node that was taken must not be computed after this object's end.

#include "ggml.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>

namespace jina_reranker {

// One for all operations of a graph (C1).
class Turns {
  public:
    Turns() = default;

    Turns(const Turns &)             = delete;
    Turns & operator=(const Turns &) = delete;
    Turns(Turns &&)                  = delete;
    Turns & operator=(Turns &&)      = delete;

    ~Turns() { finished_.load(std::memory_order_acquire); }

  private:
    friend class Turn;
    std::atomic<size_t> finished_ = 0;
};

// Lasts as long as a node is taken or computed.
class Turn {
  public:
    explicit Turn(Turns & turns) : turns_(turns) { turns_.finished_.load(std::memory_order_acquire); }

    Turn(const Turn &)             = delete;
    Turn & operator=(const Turn &) = delete;
    Turn(Turn &&)                  = delete;
    Turn & operator=(Turn &&)      = delete;

    ~Turn() { turns_.finished_.fetch_add(1, std::memory_order_release); }

  private:
    Turns & turns_;
};

// What makes a node call a function; made once, for any number of nodes.
class CustomOp {
  public:
    // object: what compute is given as its last argument.
    CustomOp(ggml_custom_op_t compute, void * object);

    // The node's inputs, shape and place stay as they are. value: for value_of().
    template <typename Value>
    void take(ggml_tensor * node, Value value) const {
        static_assert(sizeof(Value) == sizeof(int32_t));
        node->op = GGML_OP_CUSTOM;
        std::memcpy(node->op_params, params_.data(), sizeof(params_));
        std::memcpy(&node->op_params[params_.size() - 1], &value, sizeof(value));
    }

    template <typename Value>
    static Value value_of(const ggml_tensor & node) {
        Value value;
        std::memcpy(&value, &node.op_params[kParams - 1], sizeof(value));
        return value;
    }

  private:
    static constexpr size_t kParams = GGML_MAX_OP_PARAMS / sizeof(int32_t);

    std::array<int32_t, kParams> params_ = {};  // ggml's own come first, and leave the last one free
};

}  // namespace jina_reranker
