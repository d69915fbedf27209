#!/usr/bin/env python3
"""Tables, ratios, one JSON file and a plot from what `Benchmarks/run` measured. Needs only the standard library, and
matplotlib for the plot.

    python3 Benchmarks/report.py engine.json peers.json --results results.json --plot speed.svg
    python3 Benchmarks/report.py results.json       # the tables of an earlier run again
    python3 Benchmarks/report.py results.json --fill docs/PERFORMANCE.md README.md

The tables are Markdown; --fill puts them between a page's two "figures" comments, and the shortest table between its
two "speed" comments.
"""
import argparse
import contextlib
import datetime
import io
import json
import os
import pathlib
import platform
import re


def processor():
    """Its name; on x86 with family and model, since the names on cloud machines say little."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    name = fields.get("model name") or fields.get("Model") or platform.machine()
    return f"{name}, family {fields['cpu family']}, model {fields['model']}" if "cpu family" in fields else name


def one(rows, **wanted):
    """The row with these values, or None."""
    found = [row for row in rows or [] if all(row.get(key) == value for key, value in wanted.items())]
    return found[0] if found else None


def figure(x, digits=3):
    """Three significant digits, thousands separated; a dash for None."""
    if x is None:
        return "–"
    if abs(x) >= 10 ** (digits - 1):
        return f"{x:,.0f}"
    return f"{x:#.{digits}g}".rstrip(".")


def markdown(head, rows):
    lines = [head, *([cell if isinstance(cell, str) else figure(cell) for cell in row] for row in rows)]
    lines = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def table(title, head, rows):
    print(f"\n### {title}\n\n{markdown(head, rows)}")


def ratios(run):
    """The figures of the summary; None if a part was not measured."""
    engine, peers, all_threads = run["engine"], run["peers"] or {}, run["threads"]
    drawing, machine = engine["drawing"], engine["machine"]
    many = max((row["images"] for row in drawing if row["images"] <= 64), default=64)
    all_many = one(drawing, images=many, threads=all_threads)
    single, single_many = one(drawing, images=1, threads=1), one(drawing, images=many, threads=1)
    assisted = one(drawing, images=1, threads=2)
    best_one = min((row for row in (single, assisted) if row), key=lambda row: row["seconds"])
    peak = one(machine, threads=all_threads)["multiply_add_flop_per_second"]
    naive, cached = peers.get("naive"), peers.get("cached")
    cached_one, cached_all = one(cached, images=1, processes=1), one(cached, images=64, processes=all_threads)
    over = lambda ours, theirs: ours["images_per_second"] / theirs["images_per_second"] if ours and theirs else None
    return {
        "share_of_peak": all_many["images_per_second"] * engine["flop_per_image"] / peak,
        "images_per_second_64_one_thread": single_many["images_per_second"],
        "images_per_second_64_all_threads": all_many["images_per_second"],
        "one_image_one_thread_ms": single["seconds"] * 1000,
        "one_image_two_threads_ms": assisted["seconds"] * 1000 if assisted else None,
        "one_image_over_naive": over(best_one, naive and naive["one_image"]),
        "64_images_over_naive_best_batch": over(all_many, naive and naive["best_batch"]),
        "one_image_over_cached": over(best_one, cached_one),
        "one_image_one_thread_over_cached": over(single, cached_one),
        "64_images_over_cached_processes": over(all_many, cached_all),
        "different_positions_over_in_step": one(engine["positions"], threads=all_threads)["ratio"],
        "megabytes_per_image": engine["memory"]["bytes_per_image"] / 1e6,
    }


def print_summary(run):
    r, n = run["ratios"], run["threads"]
    times = lambda x: "–" if x is None else figure(x) + " ×"
    table("In short", ["", "this run"], [
        [f"64 images, {n} threads: share of the multiply-add peak", f"{r['share_of_peak']:.0%}"],
        [f"64 images, {n} threads, images/s", r["images_per_second_64_all_threads"]],
        ["64 images, 1 thread, images/s", r["images_per_second_64_one_thread"]],
        ["one image, 1 thread, ms", r["one_image_one_thread_ms"]],
        ["one image, 2 threads, ms", r["one_image_two_threads_ms"]],
        ["one image, over naive PyTorch", times(r["one_image_over_naive"])],
        [f"64 images, {n} threads, over naive PyTorch at its best batch", times(r["64_images_over_naive_best_batch"])],
        ["one image, over cached PyTorch", times(r["one_image_over_cached"])],
        ["one image, 1 thread, over cached PyTorch", times(r["one_image_one_thread_over_cached"])],
        [f"64 images, {n} threads, over {n} cached PyTorch processes", times(r["64_images_over_cached_processes"])],
        ["64 different positions over in step", f"{r['different_positions_over_in_step']:.2f}"],
        ["memory per image in flight, MB", f"{r['megabytes_per_image']:.2f}"],
    ])


def print_tables(run):
    engine, peers = run["engine"], run["peers"]
    peak = {row["threads"]: row["multiply_add_flop_per_second"] for row in engine["machine"]}
    share = lambda row, flop: f"{row['images_per_second'] * flop / peak[row['threads']]:.0%}"
    print(f"{run['processor']}, {run['threads']} threads, {engine['instruction_set']}, {run['date']}"
          + (", a quick run: for trying only" if engine["quick"] else ""))
    print_summary(run)
    table("The machine", ["threads", "multiply-adds, GFLOP/s", "reads of 8 MB per thread, GB/s"], [
        [str(row["threads"]), row["multiply_add_flop_per_second"] / 1e9, row["read_bytes_per_second"] / 1e9]
        for row in engine["machine"]])
    table("pixelcnnd's engine", ["images at once", "threads", "seconds", "images/s", "share of the peak", "runs"], [
        [str(row["images"]), str(row["threads"]), row["seconds"], row["images_per_second"],
         share(row, engine["flop_per_image"]), str(row["runs"])] for row in engine["drawing"]])
    table("64 images at different positions", ["threads", "in step, images/s", "different, images/s", "ratio"], [
        [str(row["threads"]), row["in_step_images_per_second"], row["different_images_per_second"],
         f"{row['ratio']:.3f}"] for row in engine["positions"]])
    phases = ("vertical", "horizontal", "output", "draw")
    table("Time by phase, one thread", ["images", *(f"{phase}, ms per image" for phase in phases)], [
        [str(row["images"]), *(f"{row[phase] * 1000 / row['images']:.2f} "
                               f"({row[phase] / sum(row[p] for p in phases):.0%})" for phase in phases)]
        for row in engine["phases"]])
    table("Other sizes", ["image", "filters", "blocks", "GFLOP per image", "one image, s", "many", "images/s",
                          "share of the peak"], [
        [f"{row['size']} × {row['size']}", str(row["filters"]), str(row["blocks"]), row["flop_per_image"] / 1e9,
         row["one_image"]["seconds"], f"{row['many_images']['images']} on {row['many_images']['threads']} threads",
         row["many_images"]["images_per_second"], share(row["many_images"], row["flop_per_image"])]
        for row in engine["scaling"]])
    if not peers:
        print("\nPyTorch is not installed: no comparison.")
        return
    naive = peers["naive"]
    table(f"PyTorch {peers['pytorch']}", ["sampler", "images at once", "threads", "seconds", "images/s"], [
        *(["the usual one, scaled from a pass", str(row["images"]), str(row["threads"]), row["seconds"],
           row["images_per_second"]] for row in (naive["one_image"], naive["best_batch"])),
        *([f"the same caches, {row['processes']} process{'es' * (row['processes'] > 1)}",
           f"{row['processes']} · {row['images']}", "1 each", row["seconds"], row["images_per_second"]]
          for row in peers["cached"])])


def print_speed(run):
    """The short table of README.md."""
    engine, peers, n = run["engine"], run["peers"], run["threads"]
    fastest = min((row for row in engine["drawing"] if row["images"] == 1), key=lambda row: row["seconds"])
    rows = [["pixelcnnd", f"{figure(fastest['seconds'], 2)} s",
             f"{figure(one(engine['drawing'], images=64, threads=n)['images_per_second'], 2)} images/s"]]
    if peers:
        cached, naive = peers["cached"], peers["naive"]
        rows += [["the same caches in PyTorch, one process per core",
                  f"{figure(one(cached, images=1, processes=1)['seconds'], 2)} s",
                  f"{figure(one(cached, images=64, processes=n)['images_per_second'], 2)} images/s"],
                 ["the usual sampler in PyTorch", f"{figure(naive['one_image']['seconds'], 2)} s",
                  f"{figure(naive['best_batch']['images_per_second'], 1)} images/s"]]
    print(markdown(["", "one image", "64 images"], rows))


def draw_plot(run, path):
    """Images per second by images at once, ours and the peers'; False if matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot
    matplotlib.rcParams["svg.hashsalt"] = "pixelcnnd"  # the same figures give the same file
    engine, peers, threads = run["engine"], run["peers"], run["threads"]
    figure_, axes = pyplot.subplots(figsize=(7.5, 4.2))
    colours = ["#7fa8d1", "#1f4e79"]
    for count, colour in zip(sorted({1, threads}), colours if threads > 1 else colours[1:]):
        rows = [row for row in engine["drawing"] if row["threads"] == count]
        axes.plot([row["images"] for row in rows], [row["images_per_second"] for row in rows], marker="o",
                  color=colour, label=f"pixelcnnd, {count} thread{'s' * (count > 1)}")
    if peers:
        many = [row for row in peers["cached"] if row["processes"] == threads]
        axes.plot([row["images"] * threads for row in many], [row["images_per_second"] for row in many], marker="s",
                  color="#c0762b", label=f"the same caches in PyTorch, {threads} processes")
        naive = {row["images"]: row for row in (peers["naive"]["one_image"], peers["naive"]["best_batch"])}
        rows = sorted(naive.values(), key=lambda row: row["images"])
        axes.plot([row["images"] for row in rows], [row["images_per_second"] for row in rows], marker="^",
                  color="#8a8a8a", label="the usual sampler in PyTorch")
    axes.set(xscale="log", yscale="log", xlabel="images at once", ylabel="images per second",
             title="Sampling 32 × 32 images, 15 blocks of 120 filters")
    ticks = [row["images"] for row in engine["drawing"] if row["threads"] == 1]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure_.tight_layout()
    figure_.savefig(path, metadata={"Date": None} if str(path).endswith(".svg") else None)
    return True


def printed(what, run):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        what(run)
    return text.getvalue()


def fill(page, figures):
    """Replaces what is between the page's comments: {the comments' name: what comes between them}."""
    text = page.read_text()
    names = [name for name in figures if f"<!-- {name}:" in text]
    if not names:
        raise SystemExit(f"{page}: no comments which mark the place of the figures")
    for name in names:
        marks = re.compile(rf"(<!-- {name}:.*?-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        text = marks.sub(lambda found: f"{found[1]}{figures[name]}\n{found[2]}", text)
    page.write_text(text)


def main():
    parser = argparse.ArgumentParser(description="tables, ratios, JSON and plot of a benchmark run")
    parser.add_argument("files", nargs="+", help="engine.json and peers.json, or an earlier run's results.json")
    parser.add_argument("--results", type=pathlib.Path, help="where the JSON goes")
    parser.add_argument("--plot", type=pathlib.Path, help="where the plot goes, .svg or .png")
    parser.add_argument("--fill", type=pathlib.Path, nargs="+", default=[],
                        help="the pages whose figures are replaced")
    arguments = parser.parse_args()
    read = [json.loads(pathlib.Path(name).read_text()) for name in arguments.files]
    if len(read) == 1:
        run = read[0]
    else:
        run = {"processor": processor(), "threads": len(os.sched_getaffinity(0)), "engine": read[0], "peers": read[1],
               "date": datetime.date.today().isoformat()}
        run["ratios"] = ratios(run)
    print(printed(print_tables, run))
    for page in arguments.fill:
        fill(page, {"figures": printed(print_tables, run), "speed": printed(print_speed, run)})
    if arguments.results:
        arguments.results.write_text(json.dumps(run, indent=1) + "\n")
        print(f"figures: {arguments.results}")
    if arguments.plot:
        print(f"plot: {arguments.plot}" if draw_plot(run, arguments.plot) else
              "no plot: matplotlib is not installed (pip install matplotlib)")


if __name__ == "__main__":
    main()
