// Our side of `make bench`: the engine alone, without a server, on threads of its own. Benchmarks/run puts PyTorch's
// side next to it. Nothing is printed but the document (or, for `time`, its lines); progress goes to stderr.

import ArgumentParser

@main
struct PixelCNNBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pixelcnn-bench", abstract: "Time the sampling engine.",
        subcommands: [Everything.self, Time.self], defaultSubcommand: Everything.self)
}
