// The companion program: everything about models that the daemon has no business with. `main` prepares the streams,
// refuses words that it cannot read, and hands over to the commands.

import ArgumentParser
import PixelCNNAPI
import Support

@main
struct PixelCNNTrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pixelcnn-train",
        abstract: "Train, evaluate, verify, plot, inspect and convert gated PixelCNN models.",
        discussion: """
            train is the default command: its name may be left out. pixelcnn-train train --help shows its options.

            Model files are whole modules, state_dicts or checkpoints written by torch.save, or safetensors. Nothing \
            in them is ever executed.

            EXAMPLES
              pixelcnn-train --data images/ --output mine.safetensors
              pixelcnn-train evaluate mine.safetensors images/
              pixelcnn-train verify mine.safetensors
              pixelcnn-train inspect pixelcnn.pt
              pixelcnn-train convert pixelcnn.pt pixelcnn.safetensors

            EXIT STATUS
              1   verify: logits beyond the bound
              64  wrong usage
              65  bad model file or data
              66  no such file
              71  the system refused something, such as threads
              73  the output cannot be written, or another run's is there
              129, 130, 143  a lost terminal, Ctrl-C or SIGTERM has stopped training; it is saved
              141 whoever reads standard output has gone
            """,
        version: "pixelcnn-train \(Version.current)",
        subcommands: [Train.self, Evaluate.self, Verify.self, ReceptiveFieldCommand.self, Inspect.self, Convert.self],
        defaultSubcommand: Train.self)

    static func main() {
        StandardStreams.prepare()
        do {
            try RawArguments.check()
            try Subcommand.check(
                CommandLine.arguments.dropFirst().first, of: configuration.subcommands.map { $0._commandName })
        } catch {
            Console.say("pixelcnn-train: \(error.message)")
            exit(withError: ExitCode(error.status.rawValue))
        }
        main(nil)
    }
}
