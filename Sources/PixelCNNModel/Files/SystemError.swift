// What the system calls an error number, as a person reads it.

import Glibc

enum SystemError {
    static func text(_ code: Int32) -> String {
        guard let text = strerror(code) else { return "system error \(code)" }  // per thread since glibc 2.32
        return String(cString: text)
    }
}
