// The list of settings, --help and the document say the same; the manual page is made from --help.

import ServerTestSupport
import Testing

@testable import pixelcnnd

@Suite struct SettingTableTests {
    @Test func theDocumentHasEverySetting() throws {
        let rows = SettingTable.all.map { setting in
            [
                "`\(setting.name)`", setting.allowed, setting.fallbackText ?? "",
                setting.takesReload ? "reload" : "restart", "\(setting.help).",
            ]
        }
        let table = DocumentTable(
            document: "docs/SERVICE.md", source: "Sources/pixelcnnd/SettingTable.swift",
            header: ["setting", "allowed", "default", "a change needs a", "what it is"], rows: rows)
        #expect(try table.differences() == [])
    }

    /// Each setting is an option, with its help and default, and has a name of its own.
    @Test func theHelpHasEverySetting() {
        let words = { (text: String) in text.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
        let help = words(DaemonCommand.helpMessage(columns: 200))
        for setting in SettingTable.all {
            #expect(help.contains("\(setting.option) <"), "\(setting.name)")
            #expect(help.contains(words(setting.help)), "\(setting.name)")
            if let fallback = setting.fallbackText {
                #expect(help.contains("\(words(setting.help)); \(fallback) by default."), "\(setting.name)")
            }
            let name = setting.option.dropFirst(2).replacing("-", with: "_")
            #expect(setting.name == name && setting.variable == "PIXELCNND_" + name.uppercased())
        }
        #expect(Set(SettingTable.all.map(\.name)).count == SettingTable.all.count)
    }

    /// An option reaches the setting of its name: a property of ``DaemonOptions`` may not stand for another.
    @Test func everyOptionIsItsSetting() throws {
        for setting in SettingTable.all {
            let text = ["precision": "i16", "log_level": "debug"][setting.name] ?? "9876543"
            let options = try DaemonOptions.parse([setting.option, text])
            #expect(options.texts == [setting.name: text])
        }
    }
}
