@echo off
rem Find a Python that these wheels are for, and let install.py do the rest: install.bat [FOLDER]
setlocal
set PYTHONPATH=
set PYTHONHOME=
for %%v in (3.13 3.12 3.11) do (
    py -%%v "%~dp0install.py" --fits >nul 2>&1 && (
        py -%%v "%~dp0install.py" %*
        goto :end
    )
)
python "%~dp0install.py" %*
if errorlevel 9009 echo mixturelab: no Python was found. Install one from python.org, or from the teacher's stick.
:end
pause
