// The companion program: everything about models that the daemon has no business with. `main` only names the commands.

import ArgumentParser

@main
struct PixelCNNTrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pixelcnn-train",
        abstract: "Inspect and convert gated PixelCNN models.",
        discussion: """
            Model files are whole modules, state_dicts or checkpoints written by torch.save, or safetensors. Nothing in \
            them is ever executed.

            Exit codes: 64 wrong usage, 65 bad model file, 66 no such file, 73 the output cannot be written.
            """,
        version: "0.1.0",
        subcommands: [Inspect.self, Convert.self])
}
