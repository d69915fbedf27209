// What may go to a terminal.

import Support
import Testing

@Suite struct PrintableTextTests {
    @Test(arguments: [
        ("plain", "plain"), ("", ""), ("Grüße, 絵文字 ✈️ 👩‍🚀", "Grüße, 絵文字 ✈️ 👩‍🚀"),
        ("a\u{1B}[2Jb", "a\\u{1b}[2Jb"), ("a\nb\r\t", "a\\u{a}b\\u{d}\\u{9}"),
        ("\u{0}\u{7F}\u{9B}", "\\u{0}\\u{7f}\\u{9b}"),
        ("\u{202E}txt\u{2066}", "\\u{202e}txt\\u{2066}"), ("a\u{2028}\u{2029}", "a\\u{2028}\\u{2029}"),
        ("\u{FEFF}\u{E0041}", "\\u{feff}\\u{e0041}"), ("می‌خواهم", "می‌خواهم"),
    ])
    func controlsAreShown(text: String, shown: String) { #expect(text.printable == shown) }

    @Test func inJSONTheyAreEscapedWithTheSameValue() {
        let json = "{\"a\":\r\n\t\"\u{9B}31m\u{202E}\u{E0041}\u{7F}é\"}\n"
        #expect(json.printableJSON == "{\"a\": \n \"\\u009b31m\\u202e\\udb40\\udc41\\u007fé\"}\n")
        #expect("{\"a\":1}\n".printableJSON == "{\"a\":1}\n")
    }

    @Test func longTextsAreShortened() {
        #expect("abc".shortened(to: 3) == "abc" && "abcd".shortened(to: 3) == "abc…")
    }
}
