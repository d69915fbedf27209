// The scripts that make shells complete command lines, in the shells themselves; and the classes of the served model
// among what they offer.

import Foundation
import ServerTestSupport
import Testing

@Suite struct CompletionTests {
    /// circle, square, cross, star, stripes.
    private static let model = URL(fileURLWithPath: Programs.model).deletingLastPathComponent()
        .appendingPathComponent("conditional.pt").path

    enum Shell: String, CaseIterable { case bash, fish }

    /// What a shell offers for the last word of a line.
    private static func offers(
        _ shell: Shell, _ words: [String], environment: [String: String] = [:]
    ) async throws -> [String] {
        let script =
            switch shell {
            case .bash:
                """
                source <("$1" --generate-completion-script bash)
                COMP_WORDS=("$@")
                COMP_CWORD=$(($# - 1)) COMP_LINE="$*"
                COMP_POINT=${#COMP_LINE}
                "_$1" "$1" "${@: -1}" "${@: -2:1}"
                printf '%s\\n' "${COMPREPLY[@]}"
                """
            case .fish:
                """
                $argv[1] --generate-completion-script fish | source
                complete --do-complete "$argv" | string split --fields 1 \\t
                """
            }
        let arguments = shell == .bash ? ["--norc", "-c", script, "bash"] : ["--no-config", "-c", script]
        let result = try await Command.run(
            "/usr/bin/\(shell)", arguments + words,
            environment: environment.merging(["PATH": "\(Programs.folder):/usr/bin:/bin"]) { $1 })
        #expect(result.status == 0)
        #expect(result.errors == "")
        return result.text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    }

    @Test(arguments: Shell.allCases)
    func subcommandsOptionsAndTheirValuesAreOffered(shell: Shell) async throws {
        #expect(try await Self.offers(shell, ["pixelcnn", "sa"]) == ["sample"])
        #expect(try await Self.offers(shell, ["pixelcnn", "sample", "--temp"]) == ["--temperature"])
        #expect(Set(try await Self.offers(shell, ["pixelcnn", "sample", "--format", ""])) == ["png", "npy", "npz"])
        #expect(Set(try await Self.offers(shell, ["pixelcnnd", "--precision", ""])) == ["f32", "i16"])
        #expect(try await Self.offers(shell, ["pixelcnnd", "--log-level", "w"]) == ["warning"])
        #expect(try await Self.offers(shell, ["pixelcnn-train", "rec"]) == ["receptive-field"])
    }

    /// By bash: fish asks programs only where it is interactive.
    @Test func classesOfTheServedModelAreOffered() async throws {
        let classes: Set = ["circle", "square", "cross", "star", "stripes"]
        try await RunningDaemon.run(["--model", Self.model]) { daemon in
            let environment = ["PIXELCNN_SOCKET": daemon.socket]
            let all = try await Self.offers(.bash, ["pixelcnn", "sample", "--label", ""], environment: environment)
            #expect(Set(all) == classes.union(["all"]))
            let some = try await Self.offers(.bash, ["pixelcnn", "sample", "--label", "st"], environment: environment)
            #expect(Set(some) == ["star", "stripes"])
            let scored = try await Self.offers(
                .bash, ["pixelcnn", "score", "--socket", daemon.socket, "--label", ""])
            #expect(Set(scored) == classes.union(["all"]))
        }
        let none = try await Self.offers(
            .bash, ["pixelcnn", "sample", "--label", ""], environment: ["PIXELCNN_SOCKET": "/nonexistent.sock"])
        #expect(none == [])
    }

    @Test(arguments: ["pixelcnn", "pixelcnnd", "pixelcnn-train"])
    func zshTakesTheScript(program: String) async throws {
        let directory = try TemporaryDirectory()
        let script = try await Command.run("\(Programs.folder)/\(program)", ["--generate-completion-script", "zsh"])
        try Data(script.output).write(to: URL(fileURLWithPath: directory.file("_\(program)")))
        let result = try await Command.run(
            "/usr/bin/zsh",
            [
                "-f", "-c",
                """
                fpath=($1 $fpath)
                autoload -Uz compinit
                compinit -u -d $1/dump
                autoload +X _$2
                print $_comps[$2]
                """, "zsh", directory.path, program,
            ])
        #expect(result.errors == "")
        #expect(result.text == "_\(program)\n")
    }
}
