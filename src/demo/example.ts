/** The request in README. The command `demo` sends it, and the playground opens with it. */
export const example = {
  query: "What is machine learning?",
  documents: [
    "Machine learning is a subset of artificial intelligence that enables computers to learn from data.",
    "The weather today is sunny and warm.",
    "Deep learning uses neural networks with multiple layers.",
  ],
};
