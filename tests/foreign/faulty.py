"""A recommender that ranks by the order of the catalogue, and does what it is told wrong.

Usage: faulty.py MODE MARKS. A line is added to the file MARKS at every start.
"""
import json
import os
import sys
import time

mode, marks = sys.argv[1], sys.argv[2]
with open(marks, "a") as file:
    file.write("started\n")
n_starts = len(open(marks).readlines())
items = []


def write(text):
    sys.stdout.buffer.write(text if isinstance(text, bytes) else text.encode())
    sys.stdout.buffer.flush()


def rank(request):
    excluded = set(request["exclude"])
    best = [item for item in items if item not in excluded]
    n = request["n"]
    if request["user"] != "u3":
        return best[:n]
    return {
        "repeats": [best[0]] + best[: n - 1],
        "known": [best[0], "i3"] + best[1 : n - 1],
        "shown": ["i9"] + best[: n - 1],
        "unknown": ['x"1'] + best[: n - 1],
        "too_few": best[: n - 2],
        "too_many": best[: n + 1],
    }.get(mode, best[:n])


def spoil(message, answer):
    """What is written instead of the answer, where the mode spoils whole answers."""
    if mode == "malformed":
        return "well, \n"
    if mode == "numbers":
        return json.dumps({**answer, "lists": [[0]]}) + "\n"
    if mode == "not_utf8":
        return b'{"\xff\xfe": 1}\n'
    if mode == "oversized":
        return json.dumps({**answer, "padding": "x" * 5000}) + "\n"
    if mode == "endless":
        return "x" * 100000
    if mode == "too_many_lists":
        return json.dumps({**answer, "lists": answer["lists"] + [[]]}) + "\n"
    if mode == "no_lists":
        return json.dumps({"protocol": 1, "id": message["id"]}) + "\n"
    if mode == "other_protocol":
        return json.dumps({**answer, "protocol": 2}) + "\n"
    if mode == "other_message":
        return json.dumps({**answer, "id": 1}) + "\n"
    if mode == "reports":
        return json.dumps({"protocol": 1, "id": message["id"], "error": "no model for\nu3"}) + "\n"
    if mode == "dies" or (mode == "dies_once" and n_starts == 1):
        sys.exit("out of\nmemory")
    if mode == "hangs":
        time.sleep(1000)
    if mode == "closes":
        os.close(1)
        time.sleep(1000)
    return json.dumps(answer) + "\n"


if mode == "chatty":
    sys.stderr.write("warning: " * 100000)
if mode == "deaf":
    time.sleep(1000)
for line in sys.stdin:
    message = json.loads(line)
    answer = {"protocol": 1, "id": message["id"]}
    if mode == "unwilling":
        write("hello yourself\n")
    elif message["type"] == "hello":
        items = [item["item"] for item in message["items"]]
        write(json.dumps(answer) + "\n")
    elif mode == "always_dies":
        sys.exit(3)
    else:
        if mode == "records":
            with open(marks + ".json", "w") as file:
                json.dump(message, file)
        answer["lists"] = [rank(request) for request in message["requests"]]
        is_told = any(request["user"] == "u3" for request in message["requests"])
        write(spoil(message, answer) if is_told else json.dumps(answer) + "\n")
