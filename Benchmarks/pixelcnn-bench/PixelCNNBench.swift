// Our side of `make bench`: the engine and the scheduler without a server, on their own threads. Benchmarks/run
// compares it with PyTorch's side. Only the document, or a command's lines, go to stdout; progress goes to stderr.

import ArgumentParser

@main
struct PixelCNNBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pixelcnn-bench", abstract: "Time the sampling engine and training.",
        subcommands: [Everything.self, Time.self, Sharing.self, Completion.self, Train.self],
        defaultSubcommand: Everything.self)
}
