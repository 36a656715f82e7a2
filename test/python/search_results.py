import requests

query = "How do machine learning models work?"
search_results = [
    "Machine learning algorithms learn patterns from data to make predictions.",
    "TensorFlow is a deep learning framework.",
    "The history of computers dates back to the 1940s.",
    "Python is a popular programming language.",
    "Data preprocessing is important for model accuracy.",
]

response = requests.post(
    "http://localhost:8081/rerank",
    json={"query": query, "documents": search_results, "top_k": 3},
)
response.raise_for_status()

for rank, result in enumerate(response.json()["results"], start=1):
    print(f"{rank}. {result['relevance_score']:.4f}  {result['document']}")
