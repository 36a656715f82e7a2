import requests


class VectorDB:
    """Stands in for a real vector database: counts the words that question and text share."""

    def __init__(self, texts):
        self.texts = texts

    def search(self, query, top_k):
        words = set(query.lower().strip("?").split())
        shared = lambda text: len(words & set(text.lower().strip(".").split()))
        return sorted(self.texts, key=shared, reverse=True)[:top_k]


vector_db = VectorDB(
    [
        "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
        "The plant manager works in a factory.",
        "Chlorophyll is the pigment that absorbs light for photosynthesis in plants.",
        "Do not work in the dark.",
        "Plants need light because photosynthesis makes their food from it.",
        "The stock market fell in October.",
        "How to work with clay in five steps.",
    ]
)


def answer_context(question):
    # 1. Many candidates, fast and rough.
    candidates = vector_db.search(question, top_k=6)
    # 2. The few that answer the question.
    response = requests.post(
        "http://localhost:8081/rerank",
        json={"query": question, "documents": candidates, "top_k": 3},
    )
    response.raise_for_status()
    # 3. What the language model gets to read.
    return "\n\n".join(result["document"] for result in response.json()["results"])


print(answer_context("How does photosynthesis work in plants?"))
