// Our side of `make bench`: the engine and the scheduler alone, without a server, on threads of their own.
// Benchmarks/run puts PyTorch's side next to it. Nothing is printed but the document, or a command's lines; progress
// goes to stderr.

import ArgumentParser

@main
struct PixelCNNBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pixelcnn-bench", abstract: "Time the sampling engine and training.",
        subcommands: [Everything.self, Time.self, Sharing.self, Completion.self, Train.self],
        defaultSubcommand: Everything.self)
}
