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


def drawn(engine, images, threads, precision="f32", is_score=False):
    """A case of the published network, or None."""
    return one(engine["drawing"], images=images, threads=threads, precision=precision, is_score=is_score)


def fastest(engine, precision="f32", is_score=False):
    """One image, on as many threads as are best."""
    rows = (drawn(engine, 1, threads, precision, is_score) for threads in (1, 2))
    return min((row for row in rows if row), key=lambda row: row["seconds"])


def over(ours, theirs):
    return ours["images_per_second"] / theirs["images_per_second"] if ours and theirs else None


def ratios(run):
    """The figures of the summary, for each arithmetic; None if a part was not measured."""
    engine, peers, all_threads = run["engine"], run["peers"] or {}, run["threads"]
    peak = one(engine["machine"], threads=all_threads)["multiply_add_flop_per_second"]
    naive, cached = peers.get("naive"), peers.get("cached")
    cached_one, cached_all = one(cached, images=1, processes=1), one(cached, images=64, processes=all_threads)

    def of(precision):
        milliseconds = lambda row: row["seconds"] * 1000 if row else None
        many, best = drawn(engine, 64, all_threads, precision), fastest(engine, precision)
        single = drawn(engine, 1, 1, precision)
        return {
            "share_of_f32_peak": many["images_per_second"] * engine["flop_per_image"] / peak,
            "images_per_second_64_all_threads": many["images_per_second"],
            "images_per_second_64_one_thread": drawn(engine, 64, 1, precision)["images_per_second"],
            "one_image_one_thread_ms": milliseconds(single),
            "one_image_two_threads_ms": milliseconds(drawn(engine, 1, 2, precision)),
            "score_of_one_image_ms": milliseconds(fastest(engine, precision, is_score=True)),
            "scores_per_second_64_all_threads":
                drawn(engine, 64, all_threads, precision, is_score=True)["images_per_second"],
            "one_image_over_naive": over(best, naive and naive["one_image"]),
            "64_images_over_naive_best_batch": over(many, naive and naive["best_batch"]),
            "one_image_over_cached": over(best, cached_one),
            "one_image_one_thread_over_cached": over(single, cached_one),
            "64_images_over_cached_processes": over(many, cached_all),
            "one_image_over_f32": over(best, fastest(engine)),
            "64_images_over_f32": over(many, drawn(engine, 64, all_threads)),
        }
    return {
        **{precision: of(precision) for precision in precisions(engine)},
        "different_positions_over_in_step": one(engine["positions"], threads=all_threads)["ratio"],
        "megabytes_per_image": engine["memory"]["bytes_per_image"] / 1e6,
    }


def precisions(engine):
    return list(dict.fromkeys(row["precision"] for row in engine["drawing"]))


def print_summary(run):
    r, n, names = run["ratios"], run["threads"], precisions(run["engine"])
    times = lambda x: "–" if x is None else figure(x) + " ×"
    percent = lambda x: f"{x:.0%}"
    row = lambda title, name, shown=figure: [title, *(shown(r[precision][name]) for precision in names)]
    table("In short", ["", *names], [
        row(f"64 images, {n} threads: share of the f32 multiply-add peak", "share_of_f32_peak", percent),
        row(f"64 images, {n} threads, images/s", "images_per_second_64_all_threads"),
        row("64 images, 1 thread, images/s", "images_per_second_64_one_thread"),
        row("one image, 1 thread, ms", "one_image_one_thread_ms"),
        row("one image, 2 threads, ms", "one_image_two_threads_ms"),
        row("a score of one image, ms", "score_of_one_image_ms"),
        row(f"scores of 64 images, {n} threads, images/s", "scores_per_second_64_all_threads"),
        row("one image, over f32", "one_image_over_f32", times),
        row(f"64 images, {n} threads, over f32", "64_images_over_f32", times),
        row("one image, over naive PyTorch", "one_image_over_naive", times),
        row(f"64 images, {n} threads, over naive PyTorch at its best batch", "64_images_over_naive_best_batch", times),
        row("one image, over cached PyTorch", "one_image_over_cached", times),
        row("one image, 1 thread, over cached PyTorch", "one_image_one_thread_over_cached", times),
        row(f"64 images, {n} threads, over {n} cached PyTorch processes", "64_images_over_cached_processes", times),
    ])
    print(f"\n64 different positions take {r['different_positions_over_in_step']:.2f} of the rate in step; an image in "
          f"flight takes {r['megabytes_per_image']:.2f} MB.")


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
    head = ["arithmetic", "images at once", "threads", "seconds", "images/s", "share of the f32 peak", "runs"]
    for title, is_score in (("pixelcnnd's engine", False), ("Scores", True)):
        table(title, head, [
            [row["precision"], str(row["images"]), str(row["threads"]), row["seconds"], row["images_per_second"],
             share(row, engine["flop_per_image"]), str(row["runs"])]
            for row in engine["drawing"] if row["is_score"] == is_score])
    table("64 images at different positions", ["threads", "in step, images/s", "different, images/s", "ratio"], [
        [str(row["threads"]), row["in_step_images_per_second"], row["different_images_per_second"],
         f"{row['ratio']:.3f}"] for row in engine["positions"]])
    phases = ("vertical", "horizontal", "output", "draw")
    table("Time by phase, one thread", ["images", *(f"{phase}, ms per image" for phase in phases)], [
        [str(row["images"]), *(f"{row[phase] * 1000 / row['images']:.2f} "
                               f"({row[phase] / sum(row[p] for p in phases):.0%})" for phase in phases)]
        for row in engine["phases"]])
    head = ["image", "filters", "blocks", "arithmetic", "GFLOP per image", "one image, s", "many", "images/s",
            "share of the f32 peak"]
    table("Other sizes; the bundled models", head, [
        [f"{row['channels']} × {row['size']} × {row['size']}", str(row["filters"]), str(row["blocks"]),
         row["precision"], row["flop_per_image"] / 1e9, row["one_image"]["seconds"],
         f"{row['many_images']['images']} on {row['many_images']['threads']} threads",
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
    rows = [["pixelcnnd" + (f", in integers (`--precision {name}`)" if name != "f32" else ""),
             f"{figure(fastest(engine, name)['seconds'], 2)} s",
             f"{figure(drawn(engine, 64, n, name)['images_per_second'], 2)} images/s"]
            for name in precisions(engine)]
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
    lines = [("f32", 1, "#7fa8d1")] * (threads > 1) + [("f32", threads, "#1f4e79"), ("i16", threads, "#3a8a5b")]
    for precision, count, colour in lines:
        rows = [row for row in engine["drawing"]
                if (row["precision"], row["threads"], row["is_score"]) == (precision, count, False)]
        axes.plot([row["images"] for row in rows], [row["images_per_second"] for row in rows], marker="o",
                  color=colour, label=f"pixelcnnd, {precision}, {count} thread{'s' * (count > 1)}")
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
    ticks = sorted({row["images"] for row in engine["drawing"]})
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
