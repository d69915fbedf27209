// What a user can get wrong on the command line: each message names what was found, and what to do about it.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@Suite struct UsageTests {
    @Test(arguments: [
        (["--seed", "-1"], "The value '-1' is invalid for '--seed <seed>'"),
        (["-n", "-x"], "The value '-x' is invalid for '-n <n>'"),
        (["--deadline", "-2"], "--deadline is -2.0; allowed is 0.001…86400"),
        (["--wait", "-2"], "--wait is -2.0; allowed is 0…1e9"),
        (["-o", "a.jpg"], "the output is a.jpg; its name must end in .png, .npy or .npz"),
        (["-o", "b.d/a.Tiff"], "the output is b.d/a.Tiff"),
        (["--json", "-o", "-"], "--json and -o - exclude each other"),
    ])
    func theClientNamesWhatIsWrong(options: [String], message: String) async throws {
        let result = try await Programs.client(["sample"] + options)
        #expect(result.status == SystemExit.usage.rawValue && result.errors.contains(message), "\(result.errors)")
    }

    @Test(arguments: [
        (["complete", "x.png", "--rows", "-1"], "--rows is -1; allowed is 0"),
        (["smaple"], "no subcommand \"smaple\"; did you mean sample?"),
        (["scroe", "x.npy"], "did you mean score?"), (["Status"], "did you mean status?"),
        (["modle", "--json"], "did you mean model?"), (["compelte"], "did you mean complete?"),
        (["x"], "there are sample, complete, score, model, status, open, version"),
        (["open", "--port", "0"], "--port is 0; allowed is 1…65535"), (["serve"], "no subcommand \"serve\""),
        (["--socket", "s", "status"], "--socket comes after the subcommand"),
    ])
    func theClientSaysWhatToTypeInstead(words: [String], message: String) async throws {
        let result = try await Programs.client(words)
        #expect(result.status == SystemExit.usage.rawValue && result.errors.contains(message), "\(result.errors)")
    }

    @Test func theVersionIsASubcommandToo() async throws {
        let option = try await Programs.client(["--version"])
        let result = try await Programs.client(["version"])
        #expect(result.status == 0 && result.text == "pixelcnn \(Version.current)\n" && option.text == result.text)
        for words in [["help"], ["help", "sample"], ["--help"]] {
            #expect(try await Programs.client(words).status == 0)
        }
    }

    @Test(arguments: [("out", "png"), ("out.d/a", "png"), ("a.NPY", "npy"), ("a.jpg", "npy")])
    func theEndingOfTheOutputSaysItsFormUnlessAnOptionDoes(name: String, format: String) async throws {
        try await RunningDaemon.run { daemon in
            let file = daemon.directory.file(name)
            try FileManager.default.createDirectory(
                at: URL(fileURLWithPath: file).deletingLastPathComponent(), withIntermediateDirectories: true)
            let options = name == "a.jpg" ? ["--format", format] : []
            let result = try await daemon.client(["sample", "-o", file] + options)
            #expect(result.status == 0, "\(result.errors)")
            #expect(try bytes(ofFile: file)[1] == UInt8(ascii: format == "png" ? "P" : "N"))
        }
    }

    @Test(arguments: [
        (["--threads", "-1"], SystemExit.usage, "--threads is \"-1\"; allowed is 1…1024"),
        (["--max-queue", "-x"], .usage, "The value '-x' is invalid for '--max-queue <images>'"),
        (["--cache-size", "-1"], .usage, "--cache-size is \"-1\"; allowed is 0…"),
        (["--cache-size", "2X"], .usage, "or with K, M, G or T, as 256M"),
        (["--max-body", "2T"], .usage, "--max-body is \"2T\"; allowed is 1024…1099511627776"),
        (["other.pt"], .usage, "the model is named twice: other.pt, and --model "),
        (
            ["--socket", "/tmp/pixelcnn-test-no-such-folder/s"], .osError,
            "its folder does not exist; make it, or choose another --socket"
        ),
    ])
    func theDaemonNamesWhatIsWrong(options: [String], status: SystemExit, message: String) async throws {
        let result = try await Command.run(Programs.daemon, ["--model", Programs.model] + options)
        #expect(result.status == status.rawValue && result.errors.contains(message), "\(result.errors)")
    }
}
