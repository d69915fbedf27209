import Support
import Testing

struct SystemExitTests {
    @Test(arguments: [
        (200, SystemExit.success), (400, .usage), (422, .usage), (406, .usage), (413, .usage), (415, .usage),
        (429, .temporaryFailure), (503, .temporaryFailure), (504, .temporaryFailure), (500, .software),
        (404, .protocolError), (302, .protocolError),
    ])
    func httpStatusDecidesTheExitCode(status: Int, expected: SystemExit) {
        #expect(SystemExit(httpStatus: status) == expected)
    }
}
