"""nbgrader's settings for this course; run its commands in this folder."""

import os
import sysconfig

c = get_config()  # nbgrader provides it

c.CourseDirectory.course_id = "mixturelab"
# The stubs are in the cells already: nothing takes the place of a solution.
c.ClearSolutions.code_stub = {"python": ""}
# Seconds for a cell: a learner's endless loop ends then. The notebooks' own longest takes a minute on an old machine.
c.Execute.timeout = 300
c.Execute.iopub_timeout = 60  # a laptop that is busy is not a broken one
c.Execute.extra_arguments = ["--IPKernelApp.log_level=ERROR"]
# What is marked here is not what the teacher has done.
os.environ["MIXTURELAB_PROGRESS"] = "off"
# nbgrader calls a program of this Python's by its name, also where the environment has not been activated.
os.environ["PATH"] = sysconfig.get_path("scripts") + os.pathsep + os.environ["PATH"]
