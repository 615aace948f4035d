#!/usr/bin/env python3
"""Writes croniter.txt: random expressions of Azure's grammar and the ten firings after an instant, by croniter of PyPI.

A line: the instant in minutes since 1970, the expression, and the minutes from each firing to the next. croniter is asked for days that match
the day of the month AND the day of the week (day_or=False), as NCronTab has it; its default, as POSIX has it, is OR.

    pip install croniter && python3 tests/schedule/firings.py > tests/schedule/croniter.txt
"""

import random
from datetime import datetime, timedelta, timezone

from croniter import croniter
from croniter.croniter import CroniterBadDateError

LINES = 2000
FIELDS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
STAR = [0.1, 0.2, 0.4, 0.6, 0.4]


def item(rng, least, greatest):
    first = rng.randint(least, greatest)
    # Not 22-22: croniter takes such a range for all numbers.
    ranges = first < greatest and rng.random() < 0.3
    return f"{first}-{rng.randint(first + 1, greatest)}" if ranges else str(first)


def field(rng, least, greatest, star):
    if rng.random() < star:
        return "*"
    return ",".join(item(rng, least, greatest) for _ in range(rng.choice([1, 1, 1, 2, 3])))


def main():
    rng = random.Random(20)
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    written = 0
    while written < LINES:
        expression = " ".join(field(rng, *bounds, star) for bounds, star in zip(FIELDS, STAR))
        start = rng.randrange(26_000_000, 38_000_000)
        try:
            firings = croniter(expression, epoch + timedelta(minutes=start), day_or=False)
            minutes = [int((firings.get_next(datetime) - epoch).total_seconds()) // 60 for _ in range(10)]
        except CroniterBadDateError:
            continue
        deltas = [after - before for before, after in zip([start] + minutes, minutes)]
        print(start, expression, " ".join(map(str, deltas)), sep="|")
        written += 1


main()
