// JSON texts, with the limits of a request and with wide ones; what is read is written and read again.

@testable import StrictJSON

/// Takes one input.
@_cdecl("LLVMFuzzerTestOneInput") package func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = Array(fuzzBytes(start, count))
    do throws(JSONError) {
        let value = try JSONValue(parsing: bytes, limits: JSONReader.Limits(depth: 64, values: .max))
        let text = value.text
        let again = try? JSONValue(parsing: Array(text.utf8), limits: JSONReader.Limits(depth: 64, values: .max))
        precondition(again == value, "what is written is not what was read")
        precondition(again?.text.utf8.elementsEqual(text.utf8) == true, "an equal value is not written in equal bytes")
        checkMessage(value.summary)
        // A request's limits refuse some of these texts, and change none.
        let asRequest = try JSONValue(parsing: bytes, limits: JSONReader.Limits(depth: 16, values: 1000))
        precondition(asRequest == value, "the limits change a value")
    } catch {
        checkMessage(error.description)
    }
    return 0
}

/// Every message is one line of bounded length, whatever the text holds.
private func checkMessage(_ message: String) {
    precondition(!message.contains("\n"), "a message has more than one line")
    precondition(message.utf8.count < 1 << 10, "a message is endless")
}
