"""A recommender as a program: the most popular items, one JSON line out for every JSON line in.

In a scenario: kind = "process", command = ["python3", "examples/recommenders/process_popular.py"]
"""
import json
import sys

best_first = []


def rank(request):
    excluded = set(request["exclude"])
    return [item for item in best_first if item not in excluded][: request["n"]]


for line in sys.stdin:
    message = json.loads(line)
    answer = {"protocol": 1, "id": message["id"]}
    if message["type"] == "hello":
        by_popularity = sorted(message["items"], key=lambda item: -item["n_train"])
        best_first[:] = [item["item"] for item in by_popularity]
    else:
        answer["lists"] = [rank(request) for request in message["requests"]]
    print(json.dumps(answer), flush=True)
