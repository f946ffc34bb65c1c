"""The house's own linters find what they are for: each case breaks one rule in a copy and must be named."""

import os
import shutil
import subprocess
import unittest

from ledger_test import ROOT, temp_dir

HEAD = "/* A case. */\n"


class Linters(unittest.TestCase):
    def setUp(self):
        self.folder = os.path.join(temp_dir(), "tree")
        os.makedirs(os.path.join(self.folder, "contrib", "dev"))
        for name in ("lint-layers.py", "lint-style.py"):
            shutil.copy(os.path.join(ROOT, "contrib", "dev", name),
                        os.path.join(self.folder, "contrib", "dev", name))
        subprocess.run(["git", "init", "-q", self.folder], check=True)

    def write(self, path, text):
        full = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def lint(self, tool):
        done = subprocess.run([f"contrib/dev/{tool}", "build"], cwd=self.folder, text=True,
                              capture_output=True, check=False)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def assert_found(self, tool, path, text, message):
        self.write(path, text)
        code, out = self.lint(tool)
        os.unlink(os.path.join(self.folder, path))
        self.assertEqual(code, 1, f"{tool} is content with {path}:\n{text}")
        self.assertIn(message, out)

    def test_a_clean_tree_is_clean(self):
        self.write("ledgerd/core/a.h", HEAD + "/* Says one. */\nint one(void);\n")
        self.write("ledgerd/core/a.c", HEAD + '#include "ledgerd/core/a.h"\n')
        self.write("ledgerd/http/b.c", HEAD + '#include "ledgerd/flow/b.h"\n#include <microhttpd.h>\n')
        self.assertEqual(self.lint("lint-layers.py"), (0, ""))
        self.assertEqual(self.lint("lint-style.py"), (0, ""))

    def test_layers(self):
        for path, include in [
                ("ledgerd/base/x.c", '"ledgerd/core/points.h"'),
                ("ledgerd/core/x.c", '"ledgerd/store/store.h"'),
                ("ledgerd/core/x.h", '"importers/importer.h"'),
                ("importers/x.c", '"ledgerd/flow/ingest.h"'),
                ("importers/x.c", '"ledgerd/store/store.h"'),
                ("ledgerd/store/x.c", '"ledgerd/flow/engine.h"'),
                ("ledgerd/flow/x.c", '"ledgerd/http/reply.h"'),
                ("ledgerd/http/x.c", '"ledgerd/ctl/ctl.h"'),
                ("ledgerd/http/x.c", '"reports/monthly.h"'),
                ("reports/x.c", '"importers/importer.h"'),
                ("ledgerd/ctl/x.c", '"reports/monthly.h"'),
                ("importers/x_pull.c", '"ledgerd/http/reply.h"'),
                ("ledgerd/flow/x.c", "<libpq-fe.h>"),
                ("ledgerd/core/x.c", "<jansson.h>"),
                ("ledgerd/core/x.c", "<time.h>"),
                ("ledgerd/flow/x.c", "<microhttpd.h>")]:
            with self.subTest(path=path, include=include):
                self.assert_found("lint-layers.py", path, HEAD + f"#include {include}\n", f"{path}:2:")

    def test_core_objects_call_pure_functions_only(self):
        self.write("ledgerd/core/x.c", HEAD + "int getpid(void);\nint x(void);\nint x(void)\n{\n"
                   "    return getpid();\n}\n")
        os.makedirs(os.path.join(self.folder, "build/obj/ledgerd/core"))
        subprocess.run(["gcc", "-c", "ledgerd/core/x.c", "-o", "build/obj/ledgerd/core/x.o"],
                       cwd=self.folder, check=True)
        code, out = self.lint("lint-layers.py")
        self.assertEqual(code, 1)
        self.assertIn("core calls getpid", out)

    def test_style(self):
        body = "int f(void)\n{\n" + "    ;\n" * 68 + "}\n"
        for path, text, message in [
                ("ledgerd/http/x.c", body, "71 lines, at most 70"),
                ("ledgerd/http/x.c", "\n" * 800, "801 lines"),
                ("ledgerd/http/x.h", "\n" * 120, "121 lines"),
                ("ledgerd/http/x.c", "/* " + "x" * 100 + " */\n", "106 columns"),
                ("ledgerd/http/x.c", "int f(void)\n{\n    strcpy(a, b);\n}\n", "strcpy"),
                ("ledgerd/flow/x.c", "int f(void)\n{\n    time(0);\n}\n", "reads the time"),
                ("importers/x.c", "int f(void)\n{\n    printf(\"x\");\n}\n", "does not print"),
                ("ledgerd/store/x.c", "static double x;\n", "no double"),
                ("reports/x.c", "static float x;\n", "no float"),
                ("ledgerd/http/x.h", "\nint f(void);\n", "without a description"),
                ("ledgerd/http/x.c", "/* TO" "DO */\n", "what is")]:
            with self.subTest(path=path, message=message):
                self.assert_found("lint-style.py", path, HEAD + text, message)

    def test_words_in_comments_and_strings_are_no_calls(self):
        self.write("ledgerd/flow/x.c", HEAD + '/* printf(1) double */\nconst char *x = "strcpy(double)";\n')
        self.assertEqual(self.lint("lint-style.py"), (0, ""))

    def test_a_source_without_its_idea(self):
        self.assert_found("lint-style.py", "ledgerd/http/x.c", "int x;\n", "does not start with its idea")


if __name__ == "__main__":
    unittest.main()
