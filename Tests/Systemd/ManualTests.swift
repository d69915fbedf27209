// Manual pages say of every option what --help says, and formatters have nothing to complain of.

import ServerTestSupport
import Testing

@Suite struct ManualTests {
    static let pages = ["pixelcnnd.8", "pixelcnn.1", "pixelcnn-train.1"]

    @Test(arguments: pages)
    func everyOptionIsInThePageAndInHelp(page: String) async throws {
        let program = String(page.prefix { $0 != "." })
        let help = try await Installation.text(program, "--help")
        let commands = Self.commands(help)
        #expect(commands.isEmpty == (program == "pixelcnnd"))
        var options = Self.options(help, indentation: 2)
        for command in commands {
            options.formUnion(Self.options(try await Installation.text(program, "help", command), indentation: 2))
        }
        #expect(options.isSuperset(of: ["-h", "--help", "--version"]))

        let text = try await Self.formatted(page)
        #expect(Self.options(text, indentation: 5) == options)
        for command in commands { #expect(text.contains("\n   \(command) [options]"), "\(command)") }
        for heading in ["SYNOPSIS", "OPTIONS", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"] {
            #expect(text.contains("\n\(heading)\n"), "\(heading)")
        }
        #expect(!text.contains("@OPTIONS"))
    }

    @Test func thePageOfTheDaemonHasItsVariablesAndMetrics() async throws {
        let text = try await Self.formatted("pixelcnnd.8")
        let help = try await Installation.text("pixelcnnd", "--help")
        let options = Self.options(help, indentation: 2).subtracting(["--check", "--help", "--version", "-h"])
        for option in options {
            let variable = "PIXELCNND_" + option.dropFirst(2).uppercased().replacing("-", with: "_")
            #expect(text.contains("\n     \(variable) "), "\(variable)")
        }
        for metric in ["pixelcnnd_http_requests_total", "pixelcnnd_compute_threads", "process_start_time_seconds"] {
            #expect(text.contains(metric), "\(metric)")
        }
        for signal in ["SIGHUP", "SIGTERM"] { #expect(text.contains("\n     \(signal)"), "\(signal)") }
    }

    @Test(arguments: pages)
    func formattersHaveNoComplaint(page: String) async throws {
        let installation = try await Installation()
        let lint = try await installation.run("mandoc", ["-T", "lint", "-W", "warning"], page: page)
        #expect(lint.status == 0)
        #expect(lint.text == "")
        let man = try await installation.run(
            "man", ["--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l"], page: page,
            environment: ["LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"])
        #expect(man.status == 0)
        #expect(man.errors == "")
    }

    /// A page as plain text, without what overstrikes on a printer.
    private static func formatted(_ page: String) async throws -> String {
        let result = try await Installation().run("mandoc", ["-T", "ascii", "-O", "width=150"], page: page)
        try #require(result.status == 0)
        return result.text.replacing(/.\u{8}/.dotMatchesNewlines(), with: "")
    }

    /// The names of options that lines begin with: `--seed <seed>`, `-o, --output <file>`.
    private static func options(_ text: String, indentation: Int) -> Set<String> {
        var names: Set<String> = []
        let margin = String(repeating: " ", count: indentation)
        for line in text.split(separator: "\n") where line.hasPrefix(margin + "-") {
            for word in line.split(separator: " ").prefix(while: { $0.hasPrefix("-") }) {
                names.insert(word.last == "," ? String(word.dropLast()) : String(word))
            }
        }
        return names
    }

    /// The names of subcommands in a program's help.
    private static func commands(_ help: String) -> [String] {
        let lines = help.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.drop { $0 != "SUBCOMMANDS:" }.dropFirst().prefix { !$0.isEmpty }
            .filter { $0.hasPrefix("  ") && $0.dropFirst(2).first != " " }
            .compactMap { $0.split(separator: " ").first.map(String.init) }
    }
}
