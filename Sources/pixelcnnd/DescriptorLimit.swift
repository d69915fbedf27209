// Every connection is a descriptor. The soft limit is 1024 by custom, for programs that use select(2); this one does
// not, so it takes what the hard limit allows.

import Foundation

enum DescriptorLimit {
    /// Raises the soft limit to the hard one. Where that fails the old limit still serves: connections past it wait.
    static func raise() {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(resource, &limit)
    }
}
