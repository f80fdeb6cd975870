#!/usr/bin/env python3
"""Tables and plots of the CSV files that index_bench writes.

index_report.py OUT_DIR CSV... [--note TEXT]
Writes OUT_DIR/index-<set>.md, .csv and .svg for each set that was swept, and OUT_DIR/index-small.md
for the small ones. Lines of a later CSV replace those of an earlier one for the same point.
"""
import argparse
import csv
import math
import os
from collections import defaultdict

SMALL_ROWS = 100_000
GOALS = (0.95, 0.99)
BY_CPU = "cpu_qps"
# The study's figures on another CPU (AVX-512, not this one): orientation only.
ORIENTATION = {
    "200000x768": "hnswlib 2,090 QPS at 0.982 and 1,295 at 0.995; FAISS RaBitQ fast scan 1,260 to "
                  "1,500 at 0.991",
    "1000000x128": "hnswlib 6,600 QPS at 0.963, 3,640 at 0.988 and 2,020 at 0.997; FAISS PQ fast "
                   "scan with refine 3,380 at 0.982",
}
COLOURS = ["#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#17a2b8", "#8c564b", "#555555"]
NUMBERS = ("batch", "recall", "qps", "cpu_qps", "p50_us", "p99_us", "build_s", "build_cpu_s",
           "bytes_per_row")


def read(paths):
    points = {}
    for path in paths:
        with open(path, newline="", encoding="ascii") as file:
            for line in csv.DictReader(file):
                for name in NUMBERS:
                    line[name] = float(line.get(name) or 0)
                points[line["set"], line["library"], line["setting"]] = line
    sets = defaultdict(lambda: defaultdict(list))
    for (set_name, library, _), point in points.items():
        sets[set_name][library].append(point)
    return sets


def rows_of(set_name):
    return int(set_name.split("x")[0])


def place(recall):
    """Where a recall lies on the x axis: each factor of ten in missed answers is as wide."""
    return -math.log10(max(1 - recall, 1e-4))


def frontier(points, by):
    """Points that no other one beats in both recall and speed, by recall ascending."""
    best, kept = 0, []
    for point in sorted(points, key=lambda p: (-p["recall"], -p[by])):
        if point[by] > best:
            best = point[by]
            kept.append(point)
    return kept[::-1]


def swept(points):
    return [p for p in points if p["batch"] == 1 and not p["setting"].startswith("exact")]


def qps_at(points, goal, by):
    """Queries per second at a recall of `goal`: of the best series, interpolated along it.

    Recall targets are not interpolated: what lies between two answers, no caller can ask for.
    """
    reached = [p[by] for p in swept(points) if p["recall"] >= goal]
    for name in {p["series"] for p in swept(points)} - {"recall"}:
        line = frontier([p for p in swept(points) if p["series"] == name], by)
        reached.append(qps_of_line(line, goal, by) or 0)
    return max(reached, default=0) or None


def qps_of_line(line, goal, by):
    for i, point in enumerate(line):
        if point["recall"] < goal:
            continue
        if i == 0 or line[i - 1]["recall"] >= goal:
            return point[by]
        low, high = line[i - 1], point
        width = place(high["recall"]) - place(low["recall"])
        share = (place(goal) - place(low["recall"])) / width
        return math.exp(math.log(low[by]) + share * (math.log(high[by]) - math.log(low[by])))
    return None


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def asked_ratio(points, goal, by, peer):
    """What SearchOptions::recall gives, with the recall it reached: nothing interpolated."""
    for point in points:
        if point["setting"] == f"recall={goal:g}" and peer:
            return f"{point[by] / peer:.2f} (reaches {point['recall']:.4f})"
    return "-"


def goal_table(libraries):
    lines = ["| library | " + " | ".join(f"QPS at {g}" for g in GOALS) + " | "
             + " | ".join(f"by CPU time, at {g}" for g in GOALS) + " |",
             "|---|" + "---|" * (2 * len(GOALS))]
    columns = [(goal, by) for by in ("qps", BY_CPU) for goal in GOALS]
    figures = {name: [qps_at(points, *column) for column in columns]
               for name, points in libraries.items() if swept(points)}
    for name in sorted(figures, key=lambda n: (n != "vdb", -(figures[n][0] or 0))):
        lines.append(f"| {name} | " + " | ".join(number(v) for v in figures[name]) + " |")
    peers = [name for name in figures if name != "vdb"]
    if "vdb" in figures and peers:
        ratios = []
        for i, ours in enumerate(figures["vdb"]):
            best = max(peers, key=lambda n: figures[n][i] or 0)
            both = ours and figures[best][i]
            ratios.append(f"**{ours / figures[best][i]:.2f}** ({best})" if both else "-")
        lines.append("| vdb / best peer | " + " | ".join(ratios) + " |")
        lines.append("| vdb asked for that recall / best peer | "
                     + " | ".join(asked_ratio(libraries["vdb"], goal, by,
                                              max(figures[n][i] or 0 for n in peers))
                                  for i, (goal, by) in enumerate(columns)) + " |")
    return lines


def point_table(libraries):
    lines = ["| library | setting | recall@10 | QPS | p50 us | p99 us | QPS by CPU time | build s "
             "| build CPU s | bytes/row |", "|---|---|---|---|---|---|---|---|---|---|"]
    for name, points in libraries.items():
        kept = frontier(swept(points), BY_CPU)
        kept += [p for p in points if p not in swept(points)]
        if name == "vdb":
            kept = points
        for p in kept:
            lines.append(f"| {name} | {p['setting']} | {p['recall']:.4f} | {number(p['qps'])} | "
                         f"{number(p['p50_us'])} | {number(p['p99_us'])} | {number(p[BY_CPU])} | "
                         f"{p['build_s']:.1f} | {number(p['build_cpu_s'] or None)} | "
                         f"{number(p['bytes_per_row'])} |")
    return lines


def write_set(directory, set_name, libraries, note):
    lines = [f"# Index, {set_name}", "", f"Written by bench/run-index-bench. {note}".strip(), ""]
    lines += ["Recall@10 against exact float32; one thread; medians of rounds in which all points "
              "take turns. QPS by CPU time is what the same work would give on an idle machine. A "
              "batch's p50 and p99 are of a whole call. `bytes/row` counts all that is kept, "
              "vectors included.", ""]
    lines += goal_table(libraries) + [""]
    if set_name in ORIENTATION:
        lines += [f"Orientation, on another CPU with AVX-512: {ORIENTATION[set_name]}.", ""]
    lines += ["How each was built (2 threads):", ""]
    lines += [f"- {name}: {points[0]['note']}" for name, points in libraries.items()]
    lines += ["", f"![recall and speed](index-{set_name}.svg)", "",
              "Points that another of the same library beats in both are left out (all of vdb's "
              "are shown; all are in the CSV).", ""]
    lines += point_table(libraries)
    base = os.path.join(directory, f"index-{set_name}")
    with open(base + ".md", "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    with open(base + ".svg", "w", encoding="ascii") as file:
        file.write(plot(set_name, libraries))
    with open(base + ".csv", "w", encoding="ascii", newline="") as file:
        all_points = [p for points in libraries.values() for p in points]
        writer = csv.DictWriter(file, all_points[0].keys(), lineterminator="\n")
        writer.writeheader()
        for point in all_points:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v
                             for k, v in point.items()})


def write_small(directory, sets, note):
    lines = ["# Index, small sets", "", f"Written by bench/run-index-bench. {note}".strip(), "",
             "k = 10, one thread, one query at a time, microseconds. FAISS IVFFlat: the fastest "
             "setting with at least the overlap of vdb's default (0.95 if vdb was not measured).",
             "", "| shape | library | setting | overlap with exact | median us | p99 us |",
             "|---|---|---|---|---|---|"]
    for set_name, libraries in sets:
        ours = [p for p in libraries.get("vdb", []) if p["setting"] == "default"]
        goal = ours[0]["recall"] if ours else 0.95
        for name, points in libraries.items():
            singles = [p for p in points if p["batch"] == 1]
            if name == "FAISS IVFFlat":
                reaching = [p for p in singles if p["recall"] >= goal] or \
                    [max(singles, key=lambda p: p["recall"])]
                singles = [min(reaching, key=lambda p: p["p50_us"])]
            for p in singles:
                lines.append(f"| {set_name} | {name} | {p['setting']} | {p['recall']:.4f} | "
                             f"{number(p['p50_us'])} | {number(p['p99_us'])} |")
    with open(os.path.join(directory, "index-small.md"), "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 480, 70, 230, 40, 50


def plot(set_name, libraries):
    """Speed over recall: a line per library along its frontier, the faster the higher."""
    lines = {name: [p for p in frontier(swept(points), "qps") if p["recall"] >= 0.8]
             for name, points in libraries.items()}
    lines = {name: line for name, line in lines.items() if line}
    speeds = [p["qps"] for line in lines.values() for p in line] or [1, 10]
    low, high = math.floor(math.log10(min(speeds))), math.ceil(math.log10(max(speeds)))
    first, last = place(0.8), 4.0

    def x(recall):
        return LEFT + (place(recall) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(speed):
        share = (math.log10(speed) - low) / max(high - low, 1)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
           f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="24" font-size="15">{set_name}: queries per second over recall@10, '
           f'one thread</text>']
    for recall in (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0):
        label = "1" if recall == 1 else f"{recall:g}"
        out.append(f'<line x1="{x(recall):.1f}" y1="{TOP}" x2="{x(recall):.1f}" '
                   f'y2="{HEIGHT - BOTTOM}" stroke="#dddddd"/><text x="{x(recall):.1f}" '
                   f'y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{label}</text>')
    for power in range(low, high + 1):
        for step in (1, 2, 5):
            speed = step * 10.0 ** power
            if math.log10(speed) > high:
                continue
            out.append(f'<line x1="{LEFT}" y1="{y(speed):.1f}" x2="{WIDTH - RIGHT}" '
                       f'y2="{y(speed):.1f}" stroke="{"#cccccc" if step == 1 else "#eeeeee"}"/>'
                       f'<text x="{LEFT - 8}" y="{y(speed) + 4:.1f}" text-anchor="end">'
                       f'{speed:,.0f}</text>')
    order = sorted(lines, key=lambda n: (n != "vdb", -max(p["qps"] for p in lines[n])))
    for i, name in enumerate(order):
        colour = COLOURS[0] if name == "vdb" else COLOURS[1 + i % (len(COLOURS) - 1)]
        path = " ".join(f'{x(p["recall"]):.1f},{y(p["qps"]):.1f}' for p in lines[name])
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                   f'stroke-width="{3.5 if name == "vdb" else 1.8}"/>')
        out += [f'<circle cx="{x(p["recall"]):.1f}" cy="{y(p["qps"]):.1f}" r="3" fill="{colour}"/>'
                for p in lines[name]]
        top = TOP + 12 + 22 * i
        out.append(f'<line x1="{WIDTH - RIGHT + 16}" y1="{top}" x2="{WIDTH - RIGHT + 44}" '
                   f'y2="{top}" stroke="{colour}" stroke-width="3"/>'
                   f'<text x="{WIDTH - RIGHT + 52}" y="{top + 4}">{name}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 10}" '
               f'text-anchor="middle">recall@10</text></svg>')
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out_dir")
    parser.add_argument("csv", nargs="+")
    parser.add_argument("--note", default="", help="a sentence for the head of each table")
    arguments = parser.parse_args()
    os.makedirs(arguments.out_dir, exist_ok=True)
    sets = read(arguments.csv)
    small = [(name, sets[name]) for name in sets if rows_of(name) <= SMALL_ROWS]
    for name, libraries in sets.items():
        if rows_of(name) > SMALL_ROWS:
            write_set(arguments.out_dir, name, libraries, arguments.note)
            print(f"{name}")
            print("\n".join(goal_table(libraries)))
    if small:
        write_small(arguments.out_dir, small, arguments.note)


if __name__ == "__main__":
    main()
