{
  "targets": [
    {
      "target_name": "stratafs",
      "sources": ["<!@(ls native/*.cc)"],
      "defines": ["NAPI_VERSION=8", "_GNU_SOURCE", "_FILE_OFFSET_BITS=64"],
      "cflags_cc": ["-std=c++17", "-O2", "-Wall", "-Wextra", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden"]
    },
    {
      "target_name": "stratafs-launcher",
      "type": "executable",
      "sources": ["native/launcher/launcher.c"],
      "cflags": ["-std=gnu11", "-O2", "-Wall", "-Wextra"]
    }
  ]
}
