"""Retention by pandas, written apart from the program's, to compare user by user.

    python tests/reference/retention_pandas.py CONVERSATIONS.jsonl[.gz] ACTIVITY.csv[.gz] [--zone UTC] [--last-complete-date 2018-05-16]

Prints JSON: `last_complete_date`, `users` {user: {"d0", "days"}}, `points`
{name: [retained, eligible]}, and, where first conversations carry the label `answered`,
`returned_1_28_by_answered`. Activity before d0 is left out, d0 itself is always a day.
"""

import argparse
import json

import pandas as pd

FOLLOW_UP_DAYS = 28
LAST_DAY_KEPT = 62
BRACKETS = {"D1": (1, 1), "D7": (7, 7), "D28": (28, 28), "W1": (7, 13), "W4": (28, 34)}


def read_conversations(path, zone):
    rows = pd.read_json(path, lines=True, dtype={"user_id": str})
    rows = rows[rows.user_id.notna() & rows.started_at.notna()].copy()
    rows["at"] = pd.to_datetime(rows.started_at, utc=True, format="ISO8601").dt.tz_convert(zone)
    rows["date"] = rows["at"].dt.normalize().dt.tz_localize(None)
    return rows


def read_activity(path, zone):
    rows = pd.read_csv(path)
    at = pd.to_datetime(rows["at"], utc=True, format="ISO8601").dt.tz_convert(zone)
    return pd.DataFrame({"user_id": rows.user_id, "date": at.dt.normalize().dt.tz_localize(None)})


def follow_up(tenure):
    """28 days, or as many as at least half of the users have complete."""
    possible = [n for n in range(FOLLOW_UP_DAYS + 1) if 2 * (tenure >= n).sum() >= (tenure >= 0).sum()]
    return max(possible)


def returned(days, first, last):
    return any(first <= day <= last for day in days)


def by_answered(conversations, users, last_complete):
    """Returns on days 1..28 by the label of the user's first conversation, eligible users only."""
    if "labels" not in conversations:
        return None
    first = conversations.sort_values("at", kind="stable").groupby("user_id").first()
    answered = first.labels.map(lambda labels: labels.get("answered"))
    result = {}
    for word in (True, False):
        who = [u for u in answered.index[answered == word]
               if users[u]["d0"] + pd.Timedelta(days=28) <= last_complete]
        result[str(word).lower()] = [sum(returned(users[u]["days"], 1, 28) for u in who), len(who)]
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("conversations")
    parser.add_argument("activity")
    parser.add_argument("--zone", default="UTC")
    parser.add_argument("--last-complete-date", type=pd.Timestamp,
                        help="T; by default the day before the last activity")
    options = parser.parse_args()
    conversations = read_conversations(options.conversations, options.zone)
    activity = read_activity(options.activity, options.zone)
    last_complete = options.last_complete_date or activity.date.max() - pd.Timedelta(days=1)

    d0 = conversations.groupby("user_id").date.min().rename("d0")
    seen = activity.merge(d0, left_on="user_id", right_index=True)
    seen["day"] = (seen.date - seen.d0).dt.days
    seen = seen[(seen.day >= 0) & (seen.day <= LAST_DAY_KEPT)]
    days = seen.groupby("user_id").day.agg(lambda column: sorted(set(column)))
    users = {u: {"d0": start, "days": sorted({0, *days.get(u, [])})} for u, start in d0.items()}

    tenure = pd.Series({u: (last_complete - user["d0"]).days for u, user in users.items()})
    cap = follow_up(tenure)
    points = {}
    for name, (first, last) in {**BRACKETS, "D7+": (7, cap)}.items():
        eligible = [u for u in users if tenure[u] >= last]
        points[name] = [sum(returned(users[u]["days"], first, last) for u in eligible), len(eligible)]
    print(json.dumps({
        "last_complete_date": str(last_complete.date()),
        "follow_up_days": cap,
        "users": {u: {"d0": str(user["d0"].date()), "days": user["days"]} for u, user in sorted(users.items())},
        "points": points,
        "returned_1_28_by_answered": by_answered(conversations, users, last_complete),
    }, indent=1))


main()
