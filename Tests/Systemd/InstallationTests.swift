// `make install` and `make uninstall`, and the version that everything installed has.

import Foundation
import Testing

@Suite struct InstallationTests {
    @Test func uninstallRemovesWhatInstallInstalls() async throws {
        let installation = try await Installation()
        try await installation.make("install", "PREFIX=/opt/pixelcnn")
        #expect(
            installation.files().map { $0.replacing("opt/pixelcnn/", with: "") } == [
                "bin/pixelcnn", "bin/pixelcnn-train", "bin/pixelcnnd",
                "lib/systemd/system/pixelcnnd.service", "lib/systemd/system/pixelcnnd.socket",
                "lib/systemd/system/pixelcnnd@.service", "lib/systemd/system/pixelcnnd@.socket",
                "lib/sysusers.d/pixelcnn.conf",
                "share/bash-completion/completions/pixelcnn", "share/bash-completion/completions/pixelcnn-train",
                "share/bash-completion/completions/pixelcnnd",
                "share/fish/vendor_completions.d/pixelcnn-train.fish",
                "share/fish/vendor_completions.d/pixelcnn.fish", "share/fish/vendor_completions.d/pixelcnnd.fish",
                "share/man/man1/pixelcnn-train.1", "share/man/man1/pixelcnn.1", "share/man/man8/pixelcnnd.8",
                "share/pixelcnn/digits28.safetensors", "share/pixelcnn/emoji32.safetensors",
                "share/zsh/site-functions/_pixelcnn", "share/zsh/site-functions/_pixelcnn-train",
                "share/zsh/site-functions/_pixelcnnd",
            ])
        for unit in ["pixelcnnd", "pixelcnnd@"] {
            let text = try String(
                contentsOfFile: "\(installation.root)/opt/pixelcnn/lib/systemd/system/\(unit).service", encoding: .utf8)
            #expect(text.contains("\nExecStart=/opt/pixelcnn/bin/pixelcnnd\n"))
        }
        try await installation.make("uninstall", "PREFIX=/opt/pixelcnn")
        #expect(installation.files() == [])
    }

    @Test func everythingHasOneVersion() async throws {
        let version = try await Installation.text("pixelcnnd", "--version").split(whereSeparator: \.isWhitespace).last
        let number = try #require(version)
        for program in Installation.programs {
            #expect(try await Installation.text(program, "--version") == "\(program) \(number)\n")
        }
        for (file, beginning) in [
            ("debian/changelog", "pixelcnnd (\(number)) "), ("CHANGELOG.md", "# Changelog\n\n## \(number),"),
        ] {
            let text = try String(contentsOfFile: "\(Installation.source)/\(file)", encoding: .utf8)
            #expect(text.hasPrefix(beginning), "\(file)")
        }
    }
}
