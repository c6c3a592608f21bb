"""Recomputes every value of a run folder's metrics.csv from its events, independently of the crate;
where there are true ratings, the means of truth.csv and the taus of truth_order.csv too.

    python tests/recompute/recompute.py RUN_FOLDER [--tolerance 1e-9]

Reads events/arm=*/*.parquet, items.csv, people.csv, agents.csv and manifest.json with numpy and pyarrow only.
Every metric is written here from its definition. Exits 0 when all values agree, else 1 with a list
of disagreements on stderr, 2 when the folder cannot be read.
"""

import argparse
import csv
import json
import math
import sys
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

N_PANEL = 1000
ALPHA = 0.01


class Item:
    def __init__(self, row):
        self.genres = [genre for genre in row["genres"].split("|") if genre]
        self.n_train = int(row["n_train"])


class Agent:
    def __init__(self, number, row):
        self.number = number
        self.persona = row["persona"]
        # What is known of the person it stands for.
        row = row["person"]
        self.n_held_out = int(row["n_held_out"])
        # The crate keeps these two in single precision.
        self.mean_popularity = float(np.float32(row["mean_popularity"]))
        self.genre_shares = [float(np.float32(share)) for share in row["genre_shares"].split(";") if share]


class Session:
    """One agent in one round: its pages as {number: [(slot, item, held_out)]}, and what came of them."""

    def __init__(self, agent):
        self.agent = agent
        self.pages = defaultdict(list)
        self.watched = set()
        self.ratings = {}
        self.exit_reason = None
        self.satisfaction = None
        self.n_failures = 0

    def take(self, event):
        kind, page, slot = event["event"], event["page"], event["slot"]
        if kind == "exposure":
            self.pages[page].append((slot, event["item"], bool(event["held_out"])))
        elif kind == "watch":
            self.watched.add((page, slot))
        elif kind == "rating":
            self.ratings[page, slot] = event["rating"]
        elif kind == "exit":
            self.exit_reason = event["reason"]
        elif kind == "interview":
            self.satisfaction = event["satisfaction"]
        elif kind == "failure":
            self.n_failures += 1

    @property
    def shown(self):
        return [item for page in sorted(self.pages) for _, item, _ in sorted(self.pages[page])]

    @property
    def n_liked(self):
        return sum(rating >= 4 for rating in self.ratings.values())

    @property
    def whole(self):
        return self.exit_reason not in (None, "failure")


class World:
    def __init__(self, folder):
        with open(folder / "items.csv", newline="", encoding="utf-8") as file:
            self.items = {row["item"]: Item(row) for row in csv.DictReader(file)}
        with open(folder / "people.csv", newline="", encoding="utf-8") as file:
            people = {row["persona"]: row for row in csv.DictReader(file)}
        with open(folder / "agents.csv", newline="", encoding="utf-8") as file:
            rows = [{**row, "person": people[row["persona"]]} for row in csv.DictReader(file)]
            self.agents = {row["user"]: Agent(number, row) for number, row in enumerate(rows)}
        with open(folder / "manifest.json", encoding="utf-8") as file:
            manifest = json.load(file)
        dataset = manifest.get("dataset", {})
        self.n_train_users = manifest.get("n_train_users", dataset.get("n_train_users"))
        # The order of people.csv's genre shares.
        self.genres = manifest.get("genres", dataset.get("genres"))
        if self.n_train_users is None or self.genres is None:
            raise KeyError("manifest.json tells no n_train_users or no genres")

    def genre_mix(self, shown):
        """Share of every genre in what is shown, an item's weight divided equally; None without genres."""
        mix, total = dict.fromkeys(self.genres, 0.0), 0
        for item in shown:
            genres = self.items[item].genres
            total += bool(genres)
            for genre in genres:
                mix[genre] += 1 / len(genres)
        return {genre: weight / total for genre, weight in mix.items()} if total else None

    def most_of_a_genre(self, shown):
        """Of the items with a genre, the share that has the most common one; None without genres."""
        sets = [set(self.items[item].genres) for item in shown if self.items[item].genres]
        return max(sum(genre in own for own in sets) for genre in self.genres) / len(sets) if sets else None


def read_arm(folder, world):
    """{round: [Session]}, sessions in the order of agents.csv."""
    columns = ["round", "user", "page", "event", "slot", "item", "held_out", "rating", "satisfaction", "reason"]
    rounds = defaultdict(dict)
    for path in sorted(folder.glob("*.parquet")):
        # One file at a time, not a dataset: no guessing of partitions.
        for batch in pq.ParquetFile(path).iter_batches(columns=columns):
            for event in batch.to_pylist():
                sessions = rounds[event["round"]]
                if event["user"] not in sessions:
                    sessions[event["user"]] = Session(world.agents[event["user"]])
                sessions[event["user"]].take(event)
    return {number: sorted(sessions.values(), key=lambda s: s.agent.number) for number, sessions in rounds.items()}


def mean(values):
    values = list(values)
    return (len(values), float(np.mean(values)) if values else None)


def ratio(pairs):
    """Sum over sum, over those whose denominator is not 0."""
    pairs = [(a, b) for a, b in pairs if b]
    return (len(pairs), sum(a for a, _ in pairs) / sum(b for _, b in pairs) if pairs else None)


def sessions_family(sessions):
    def slots(s):
        return sum(len(page) for page in s.pages.values())

    return {
        "p_view": ratio((len(s.watched), slots(s)) for s in sessions),
        "p_like": ratio((s.n_liked, slots(s)) for s in sessions),
        "n_like": mean(s.n_liked for s in sessions if s.whole),
        "n_exit": mean(max(s.pages, default=0) for s in sessions if s.whole),
        "s_sat": mean(s.satisfaction for s in sessions if s.satisfaction is not None),
        "watches_per_page": ratio((len(s.watched), len(s.pages)) for s in sessions),
        "mean_rating": ratio((sum(s.ratings.values()), len(s.ratings)) for s in sessions),
        "failure_rate": mean(s.n_failures > 0 for s in sessions),
    }


def accuracy(sessions, k):
    found = defaultdict(list)
    for s in sessions:
        n_relevant = s.agent.n_held_out
        if not n_relevant or not s.pages.get(1):
            continue
        gains = [held_out for _, _, held_out in sorted(s.pages[1])][:k]
        ideal = min(k, n_relevant)
        first = gains.index(True) if True in gains else None
        found["precision"].append(sum(gains) / k)
        found["recall"].append(sum(gains) / n_relevant)
        found["hit_rate"].append(any(gains))
        found["mrr"].append(0 if first is None else 1 / (first + 1))
        found["ndcg"].append(
            sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))
            / sum(1 / math.log2(place + 2) for place in range(ideal))
        )
        found["map"].append(
            sum(sum(gains[: place + 1]) / (place + 1) for place, gain in enumerate(gains) if gain) / ideal
        )
    names = ("precision", "recall", "hit_rate", "ndcg", "mrr", "map")
    return {f"{name}@{k}": mean(found[name]) for name in names}


def popularity(sessions, world):
    shown = [(s, [world.items[item].n_train for item in s.shown]) for s in sessions if s.pages]
    gaps = [(np.mean(counts), s.agent.mean_popularity) for s, counts in shown]
    n_users = world.n_train_users + 1
    return {
        "average_popularity": mean(np.mean(counts) for _, counts in shown),
        "popularity_lift": ratio((list_gap - profile_gap, profile_gap) for list_gap, profile_gap in gaps),
        "novelty": mean(np.mean([-math.log2((n + 1) / n_users) for n in counts]) for _, counts in shown),
    }


def long_tail(sessions, world):
    ranked = sorted(enumerate(world.items.items()), key=lambda entry: (entry[1][1].n_train, entry[0]))
    total, upto = sum(item.n_train for item in world.items.values()), 0
    groups = {"tail": set(), "cold": set()}
    for _, (raw, item) in ranked:
        upto += item.n_train
        if item.n_train == 0:
            groups["cold"].add(raw)
        elif 5 * upto <= total:
            groups["tail"].add(raw)

    def counts(s, items):
        slots = [(number, slot, item) for number, page in s.pages.items() for slot, item, _ in page]
        places = [(number, slot) for number, slot, item in slots if items is None or item in items]
        watched = sum(place in s.watched for place in places)
        return len(places), watched, sum(s.ratings.get(place, 0) >= 4 for place in places)

    found = {}
    for name, items in groups.items():
        pairs = [(counts(s, items), counts(s, None)) for s in sessions if items]
        for at, share in enumerate(("share", "watch_share", "like_share")):
            found[f"{name}_{share}"] = ratio((of[at], all_[at]) for of, all_ in pairs)
        found[f"p_view.{name}"] = ratio((of[1], of[0]) for of, _ in pairs)
        found[f"p_like.{name}"] = ratio((of[2], of[0]) for of, _ in pairs)
    return found


def genres(sessions, world):
    mixes = [(s.agent, world.genre_mix(s.shown)) for s in sessions]
    mixes = [(agent, list(mix.values())) for agent, mix in mixes if mix]
    whole = world.genre_mix([item for s in sessions for item in s.shown])

    def divergence(wanted, shown):
        terms = [(p, ALPHA * p + (1 - ALPHA) * q) for p, q in zip(wanted, shown, strict=True) if p > 0]
        return sum(p * math.log(p / q) for p, q in terms)

    return {
        "n_genres": mean(sum(share > 0 for share in mix) for _, mix in mixes),
        "genre_entropy": mean(-sum(p * math.log2(p) for p in mix if p > 0) for _, mix in mixes),
        "top1_genre_share": mean(max(mix) for _, mix in mixes),
        "top1_genre_items": mean(
            share for share in map(world.most_of_a_genre, (s.shown for s in sessions)) if share is not None
        ),
        "top1_genre_share_round": (len(mixes), max(whole.values()) if whole else None),
        "calibration_kl": mean(
            divergence(agent.genre_shares, mix) for agent, mix in mixes if any(agent.genre_shares)
        ),
    }


def intra_list_distance(sessions, world):
    sets = {raw: frozenset(item.genres) for raw, item in world.items.items()}
    known = {}

    def distance(a, b):
        if (a, b) not in known:
            known[a, b] = 1 - len(a & b) / len(a | b) if a | b else None
        return known[a, b]

    values = []
    for s in sessions:
        pairs = [distance(sets[a], sets[b]) for a, b in combinations(s.shown, 2)]
        pairs = [value for value in pairs if value is not None]
        if pairs:
            values.append(sum(pairs) / len(pairs))
    return {"intra_list_distance": mean(values)}


def exposure(sessions, world):
    counts = dict.fromkeys(world.items, 0)
    for s in sessions:
        for item in s.shown:
            counts[item] += 1
    x = np.sort(np.array(list(counts.values()), dtype=float))
    n, total = len(x), x.sum()
    gini = float(((2 * np.arange(1, n + 1) - n - 1) * x).sum() / (n * total)) if total else None
    return {
        "catalogue_coverage": (len(sessions), float((x > 0).mean()) if n else None),
        "exposure_gini": (len(sessions) if total else 0, gini),
    }


def homogenisation(sessions, world):
    n_agents = len(world.agents)
    panel = {j * n_agents // N_PANEL for j in range(N_PANEL)} if n_agents > N_PANEL else range(n_agents)
    sets = [set(s.shown) for s in sessions if s.agent.number in panel and s.pages]
    if len(sets) < 2:
        return {"homogenisation": (0, None)}
    # One incidence matrix: its Gram matrix holds the sizes of all intersections.
    columns = {item: at for at, item in enumerate(world.items)}
    incidence = np.zeros((len(sets), len(columns)), dtype=np.float32)
    for row, items in enumerate(sets):
        incidence[row, [columns[item] for item in items]] = 1
    common = (incidence @ incidence.T).astype(np.float64)
    sizes = np.diag(common)
    jaccard = common / (sizes[:, None] + sizes[None, :] - common)
    return {"homogenisation": (len(sets), float(jaccard[np.triu_indices(len(sets), 1)].mean()))}


def recompute(sessions, world, cutoffs, number):
    found = {}
    for k in cutoffs:
        # Later rounds have learnt part of what was held out: accuracy is of the first alone.
        found |= accuracy(sessions if number == 0 else [], k)
    found |= sessions_family(sessions)
    found |= popularity(sessions, world)
    found |= long_tail(sessions, world)
    found |= genres(sessions, world)
    found |= intra_list_distance(sessions, world)
    found |= exposure(sessions, world)
    found |= homogenisation(sessions, world)
    return found


def tau_b(left, right):
    """Kendall's tau-b by its definition; None where a side is all ties."""
    signs = [(np.sign(a - c), np.sign(b - d)) for (a, b), (c, d) in combinations(zip(left, right), 2)]
    untied = math.sqrt(sum(a != 0 for a, _ in signs) * sum(b != 0 for _, b in signs))
    return float(sum(a * b for a, b in signs)) / untied if untied else None


def truth_disagreements(folder, world, told, tolerance):
    """truth.csv from events and true_ratings.csv, truth_order.csv from truth.csv and metrics.csv (`told`)."""
    def rows(name):
        with open(folder / name, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    truth = {(row["persona"], row["item"]): float(np.float32(row["rating"])) for row in rows("true_ratings.csv")}
    means = defaultdict(dict)
    for row in rows("truth.csv"):
        name, number = f"arm {row['arm']}, round {row['round']}, truth", int(row["round"])
        sessions = read_arm(folder / "events" / f"arm={row['arm']}", world)[number]
        shown = [(s.agent.persona, item) for s in sessions for item in s.shown]
        known = [truth[pair] for pair in shown if pair in truth]
        people = {persona for persona, item in shown if (persona, item) in truth}
        counts = {"n_people": len(people), "n_shown": len(shown), "n_known": len(known)}
        for column, n in counts.items():
            if n != int(row[column]):
                yield f"{name}: {column} is {row[column]}, recomputed {n}"
        value = float(np.mean(known)) if known else math.nan
        if not abs(float(row["mean_true_rating"] or "nan") - value) <= tolerance * max(1, abs(value)) and known:
            yield f"{name}: mean is {row['mean_true_rating']}, recomputed {value!r}"
        means[number][row["arm"]] = value
    for row in rows("truth_order.csv"):
        number = int(row["round"])
        simulated = {arm: told[arm, number, row["metric"]]["mean"] for arm in means[number]}
        arms = [arm for arm in means[number] if simulated[arm] and not math.isnan(means[number][arm])]
        value = tau_b([float(simulated[arm]) for arm in arms], [means[number][arm] for arm in arms])
        if (row["tau"] or None) is None or value is None:
            agree = row["tau"] == "" and value is None
        else:
            agree = abs(float(row["tau"]) - value) <= tolerance
        if not agree or int(row["n_arms"]) != len(arms):
            yield f"round {number}, tau by {row['metric']} is {row['tau'] or 'empty'}, recomputed {value}"


def disagreements(folder, tolerance):
    world = World(folder)
    with open(folder / "metrics.csv", newline="", encoding="utf-8") as file:
        told = {(row["arm"], int(row["round"]), row["metric"]): row for row in csv.DictReader(file)}
    cutoffs = sorted({int(metric.split("@")[1]) for _, _, metric in told if "@" in metric})
    found = {}
    for arm_folder in sorted((folder / "events").glob("arm=*")):
        arm = arm_folder.name.removeprefix("arm=")
        for number, sessions in read_arm(arm_folder, world).items():
            for metric, value in recompute(sessions, world, cutoffs, number).items():
                found[arm, number, metric] = value
    for key in sorted(told.keys() | found.keys()):
        name = "arm {}, round {}, {}".format(*key)
        if key not in found:
            yield f"{name}: in metrics.csv, but not recomputed"
            continue
        if key not in told:
            yield f"{name}: recomputed, but not in metrics.csv"
            continue
        n, value = found[key]
        row = told[key]
        if n != int(row["n"]):
            yield f"{name}: n is {row['n']}, recomputed {n}"
        if (value is None) != (row["mean"] == ""):
            yield f"{name}: mean is {row['mean'] or 'empty'}, recomputed {value}"
        elif value is not None and not abs(float(row["mean"]) - value) <= tolerance * max(1, abs(value)):
            yield f"{name}: mean is {row['mean']}, recomputed {value!r}"
    if not found:
        yield "no events"
    if (folder / "truth.csv").exists():
        yield from truth_disagreements(folder, world, told, tolerance)
    print(f"{len(found)} values recomputed", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-9)
    arguments = parser.parse_args()
    try:
        wrong = list(disagreements(arguments.folder, arguments.tolerance))
    except (OSError, KeyError, ValueError) as error:
        print(f"cannot recompute {arguments.folder}: {error!r}", file=sys.stderr)
        return 2
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
